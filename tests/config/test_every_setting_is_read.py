"""A setting that is accepted is read somewhere, or is listed among those without effect: none only looks as if."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from odradek_broker.config.accepted import NAMES, has_no_effect
from odradek_broker.config.broker_config import broker_keys
from odradek_broker.config.group_keys import GROUP_KEYS
from odradek_broker.config.inert_keys import INERT_KEYS, SENTENCE
from odradek_broker.config.topic_keys import FOLLOWER_THROTTLED, LEADER_THROTTLED, TOPIC_KEYS, TopicKey
from odradek_broker.log.config import LogConfig

BROKER = Path(__file__).parents[2] / "broker" / "odradek_broker"
BY_CONSTANT = {LEADER_THROTTLED, FOLLOWER_THROTTLED}
"""Read by the name of a constant; test_racks_and_throttles.py sees them work."""
REFUSED_UNLESS_FALSE = {"remote.storage.enable"}


class _Reads(ast.NodeVisitor):
    """The attributes that are read, and the text constants."""

    def __init__(self) -> None:
        self.attributes: set[str] = set()
        self.constants: set[str] = set()

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Load):
            self.attributes.add(node.attr)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.constants.add(node.value)


def _reads_in(*files: Path) -> _Reads:
    reads = _Reads()
    for file in files:
        reads.visit(ast.parse(file.read_text("utf-8")))
    return reads


@cache
def _outside() -> _Reads:
    """In all of the broker but the package that declares the settings."""
    return _reads_in(*(file for file in BROKER.rglob("*.py") if file.parent.name != "config"))


@cache
def _inside() -> _Reads:
    """By what a BrokerConfig says of itself, and by whoever puts it together or lays changes over it."""
    names = ("broker_config.py", "together.py", "load.py", "effective.py", "logins.py")
    return _reads_in(*(BROKER / "config" / name for name in names))


def _topic_key_is_read(key: TopicKey) -> bool:
    if key.name in BY_CONSTANT or key.name in REFUSED_UNLESS_FALSE:
        return True
    if key.name in _outside().constants:
        return True
    in_log = _reads_in(BROKER / "log" / "config.py").attributes
    return key.attribute in LogConfig.__struct_fields__ and key.attribute in _outside().attributes | in_log


def _broker_key_is_read(name: str, attribute: str) -> bool:
    if attribute in _outside().attributes or name in _outside().constants:
        return True
    if attribute in _inside().attributes or attribute in _inside().constants:
        return True
    if any(key.fallback == name and key.name in _outside().constants for key in GROUP_KEYS.values()):
        return True
    topic_keys = (key for key in TOPIC_KEYS.values() if name in {fallback.name for fallback in key.fallbacks})
    return any(_topic_key_is_read(key) for key in topic_keys)


@pytest.mark.parametrize("name", sorted(broker_keys()))
def test_a_broker_setting_has_a_reader(name: str) -> None:
    assert _broker_key_is_read(name, broker_keys()[name].attribute), f"{name} is accepted, and nobody reads it"


@pytest.mark.parametrize("name", sorted(TOPIC_KEYS))
def test_a_topic_setting_has_a_reader_or_says_that_it_has_no_effect(name: str) -> None:
    key = TOPIC_KEYS[name]
    says_so = key.setting.sentence == SENTENCE
    assert _topic_key_is_read(key) != says_so, f"{name}: {key.setting.sentence}"


def test_what_has_no_effect_is_not_declared_as_a_setting() -> None:
    assert not NAMES & broker_keys().keys()


def test_what_may_change_without_effect_has_none_at_the_start_either() -> None:
    assert not INERT_KEYS.keys() & broker_keys().keys()
    assert [name for name in INERT_KEYS if not has_no_effect(name)] == []
