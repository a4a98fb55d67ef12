"""Somebody who sends what cannot be sent is told what to do."""

from __future__ import annotations

from typing import Any

import pytest

from odradek.producer.wrong_record import explain
from odradek.topic import Topic

OR_TOPIC = "make bytes of it, or send to Topic('t', {}={})"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"topic": b"t"}, "a topic is its name or a Topic, not bytes"),
        (
            {"topic": Topic("t", value=str)},
            "send_many takes the name of a topic, and bytes: the values of a Topic go by send, one by one",
        ),
        ({"value": "text"}, "a value is bytes or None, not str: " + OR_TOPIC.format("value", "str")),
        ({"value": {"a": 1}}, "a value is bytes or None, not dict: " + OR_TOPIC.format("value", "dict")),
        ({"value": bytearray()}, "a value is bytes or None, not bytearray: " + OR_TOPIC.format("value", "bytearray")),
        ({"key": 5}, "a key is bytes or None, not int: " + OR_TOPIC.format("key", "int")),
        ({"partition": "0"}, "a partition is a number, not str"),
        ({"headers": {"a": "b"}}, "the value of the header 'a' is bytes or None, not str"),
        ({"headers": {b"a": b"b"}}, "a header's name is str, not bytes"),
        ({"headers": [("a",)]}, "headers are a mapping of names to bytes, or pairs of a name and bytes"),
        ({"headers": 5}, "headers are a mapping of names to bytes, or pairs of a name and bytes"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(wrong: dict[str, Any], said: str) -> None:
    right: dict[str, Any] = {"topic": "t", "key": b"k", "value": None, "headers": (), "partition": None}
    assert str(explain(**{**right, **wrong})) == said


def test_nothing_is_said_of_what_is_right() -> None:
    assert explain("t", b"k", b"v", {"a": b"b", "n": None}, 0) is None
    assert explain("t", None, None, [("a", b"b")], None) is None
