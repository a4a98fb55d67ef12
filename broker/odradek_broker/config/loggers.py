"""This process's loggers as a resource of its own: BROKER_LOGGER, whose keys are loggers and whose values are levels.

A change holds at once, and until the process ends. The levels are Kafka's words; Python has no TRACE: it becomes DEBUG.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from odradek_broker.config.effective import ConfigEntry, ConfigSource, Synonym
from odradek_broker.config.setting import STRING

ROOT = "root"
LEVELS: Mapping[str, int] = {
    "TRACE": logging.DEBUG,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
}
_WORDS = {level: word for word, level in LEVELS.items()}
_SENTENCE = "From which level on this logger's lines are written."


def logger_entries() -> list[ConfigEntry]:
    """Every logger that there is, with the level that holds for it."""
    names = [ROOT, *sorted(name for name, one in _loggers().items() if isinstance(one, logging.Logger))]
    return [_entry(name, _word(_logger(name).getEffectiveLevel())) for name in names]


def check_level(name: str, level: str | None) -> str | None:
    """What is wrong with setting it, or with going back to its parent's level (None): one sentence, or None."""
    if name != ROOT and name not in _loggers():
        return f"there is no logger {name!r}"
    if level is None:
        return f"{ROOT} has nothing to go back to" if name == ROOT else None
    return None if level in LEVELS else f"the level of {name} must be one of {', '.join(LEVELS)}, unlike {level!r}"


def set_level(name: str, level: str | None) -> None:
    """`check_level` has nothing against it."""
    _logger(name).setLevel(logging.NOTSET if level is None else LEVELS[level])


def _loggers() -> Mapping[str, object]:
    return logging.root.manager.loggerDict


def _logger(name: str) -> logging.Logger:
    return logging.root if name == ROOT else logging.getLogger(name)


def _word(level: int) -> str:
    """Kafka's word for a level; for one in between, the next that is more talkative."""
    return next((word for known, word in sorted(_WORDS.items(), reverse=True) if known <= level), "DEBUG")


def _entry(name: str, word: str) -> ConfigEntry:
    source = ConfigSource.DYNAMIC_BROKER_LOGGER
    return ConfigEntry(name, word, source, STRING, _SENTENCE, False, (Synonym(name, word, source),))
