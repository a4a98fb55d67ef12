"""From files, environment and flags to a BrokerConfig.

Later sources win, key by key: file, then environment, then overrides.

    broker.toml          "log.segment.bytes" = 1048576, or log.segment.bytes (TOML's tables), or log_segment_bytes
    server.properties    Kafka's own format: log.segment.bytes=1048576
    environment          ODRADEK_LOG_SEGMENT_BYTES=1048576
    overrides            {"log.segment.bytes": "1048576"}, as flags of a command give them

All mistakes are found before any is reported, a line for each. What is merely without effect gets a notice.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from odradek_broker.config.accepted import ALIASES, REFUSED, has_no_effect
from odradek_broker.config.broker_config import LISTENER_KEYS, BrokerConfig, broker_keys
from odradek_broker.config.listener_overrides import PREFIX, Place, split_override
from odradek_broker.config.properties import parse_properties
from odradek_broker.config.setting import SettingError, render
from odradek_broker.config.together import check_named, check_together

ENVIRONMENT_PREFIX = "ODRADEK_"
COMMAND_LINE_VARIABLES = frozenset({"ODRADEK_BOOTSTRAP_SERVER", "ODRADEK_PROFILE", "ODRADEK_SCHEMA_REGISTRY"})
"""What such a variable may be besides a setting."""


ABOUT_LISTENERS = ("listeners ", "listener.security.protocol.map ", "controller.listener.names ")
"""How mistakes begin after which it is not known what listeners there are."""


class ConfigError(Exception):
    """The configuration has mistakes; its text has one line for each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class LoadedConfig(Struct, frozen=True):
    config: BrokerConfig
    notices: tuple[str, ...]
    """Lines to log: keys that were given and have no effect."""


class _Given(Struct, frozen=True):
    """A value as somebody wrote it down."""

    text: str
    where: str


def load_broker_config(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
    check: Callable[[BrokerConfig], list[str]] = lambda config: [],
) -> LoadedConfig:
    """Put the sources together. Raises ConfigError, also where the file cannot be read.

    `check`: what else may be wrong with what listeners there are, a line each. How settings go together is looked at
    once each is right by itself: what hangs together with a wrong one cannot be told.
    """
    mistakes: list[str] = []
    notices: list[str] = []
    given: dict[str, _Given] = {}
    if file is not None:
        given.update((name, _Given(text, file.name)) for name, text in _read_file(file).items())
    given.update(_from_environment(environment or {}, notices))
    given.update((name, _Given(text, "flag")) for name, text in (overrides or {}).items())
    config = _build(*_without_inert(_unaliased(given), mistakes, notices), mistakes, notices)
    if not mistakes:
        mistakes += [*check_together(config), *check(config)]
    elif not any(line.startswith(ABOUT_LISTENERS) for line in mistakes):
        mistakes += [*check_named(config), *check(config)]
    if mistakes:
        raise ConfigError(mistakes)
    return LoadedConfig(config, tuple(notices))


def settings_of(file: Path, prefix: str) -> dict[str, str]:
    """Of a file those settings alone that begin so, for whoever is no broker. Raises ConfigError."""
    return {name: text for name, text in _read_file(file).items() if name.startswith(prefix)}


# ----------------------------------------------------------------------------------------------------------- sources


def _read_file(file: Path) -> dict[str, str]:
    try:
        text = file.read_text("utf-8")
        if file.suffix == ".toml":
            return dict(_flatten(tomllib.loads(text), ""))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([f"{file}: {getattr(error, 'strerror', None) or error}"]) from None
    return parse_properties(text)


def _flatten(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        dotted = prefix + name.replace("_", ".")
        if isinstance(value, dict):
            yield from _flatten(value, dotted + ".")
        else:
            yield dotted, render(value) or ""


def settings_in(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings that are given by ODRADEK_* variables, for whoever hands them on to other processes."""
    return {name: given.text for name, given in _from_environment(environment, [])}


def _from_environment(environment: Mapping[str, str], notices: list[str]) -> Iterator[tuple[str, _Given]]:
    """Values of ODRADEK_* variables. An unknown one is not ours to refuse: an orchestrator may have set it."""
    for variable, text in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in COMMAND_LINE_VARIABLES:
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower().replace("_", ".")
        if name in broker_keys() or name in ALIASES or name in REFUSED or name.startswith(PREFIX):
            yield name, _Given(text, variable)
        else:
            notices.append(f"{variable} is no setting of the broker and has no effect{_suggestion(name)}")


# --------------------------------------------------------------------------------------------------------- judgement


def _unaliased(given: dict[str, _Given]) -> dict[str, _Given]:
    """The newer of two names of one key goes first where both are given."""
    renamed = {ALIASES[name]: value for name, value in given.items() if name in ALIASES}
    return renamed | {name: value for name, value in given.items() if name not in ALIASES}


def _without_inert(
    given: dict[str, _Given], mistakes: list[str], notices: list[str]
) -> tuple[dict[str, _Given], dict[str, _Given]]:
    """The keys that have an effect, and those of single listeners; the others become notices or mistakes."""
    live, of_listeners = {}, {}
    for name, value in given.items():
        if name in broker_keys():
            live[name] = value
        elif name.startswith(PREFIX):
            of_listeners[name] = value
        elif name in REFUSED and value.text not in ("", "false"):
            mistakes.append(f"{name} ({value.where}): {REFUSED[name]}")
        elif name in REFUSED or has_no_effect(name):
            notices.append(f"{name} ({value.where}) has no effect in this broker")
        else:
            mistakes.append(f"{name} ({value.where}) is no known setting{_suggestion(name)}")
    return live, of_listeners


def _suggestion(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, broker_keys(), 1, 0.7)
    return f"; did you mean {near[0]}?" if near else ""


def _build(
    given: dict[str, _Given], of_listeners: dict[str, _Given], mistakes: list[str], notices: list[str]
) -> BrokerConfig:
    values: dict[str, Any] = {}
    for name, value in given.items():
        _set(values, name, name, value, mistakes)
    inner = values.get("controller_listener_names", ())
    if inner and "listeners" in values:
        values["listeners"] = tuple(one for one in values["listeners"] if one.name not in inner)
    if inner and values.get("advertised_listeners"):
        values["advertised_listeners"] = tuple(o for o in values["advertised_listeners"] if o.name not in inner) or None
    config = BrokerConfig(**values, given=frozenset(given))
    return structs.replace(config, overrides=_overrides(of_listeners, config, mistakes, notices))


def _set(values: dict[str, Any], key_name: str, name: str, value: _Given, mistakes: list[str]) -> None:
    """Put the value of a key among the others. `name`: as it was written."""
    key = broker_keys()[key_name]
    if not value.text.strip() and key.default is None:
        return
    try:
        values[key.attribute] = key.setting.parse(value.text)
    except SettingError as error:
        mistakes.append(f"{name} = {key.setting.shown(value.text)} ({value.where}): {error}")


def _overrides(
    of_listeners: dict[str, _Given], config: BrokerConfig, mistakes: list[str], notices: list[str]
) -> dict[Place, dict[str, Any]]:
    """What is set for single listeners. A key that cannot differ from listener to listener becomes a notice."""
    overrides: dict[Place, dict[str, Any]] = {}
    for name, value in of_listeners.items():
        found = split_override(name, (listener.name for listener in config.listeners))
        if found is None or found[1] not in LISTENER_KEYS:
            notices.append(f"{name} ({value.where}) has no effect in this broker")
        else:
            place, key_name = found
            _set(overrides.setdefault(place, {}), key_name, name, value, mistakes)
    return overrides
