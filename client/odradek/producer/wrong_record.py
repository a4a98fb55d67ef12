"""What to say to somebody who sends what cannot be sent. Looked at only when sending has failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odradek.topic import Topic


def explain(topic: Any, key: Any, value: Any, headers: Any, partition: Any) -> TypeError | None:
    """A TypeError that says what to do; None where nothing is wrong with these."""
    if isinstance(topic, Topic):
        return TypeError("send_many takes the name of a topic, and bytes: the values of a Topic go by send, one by one")
    if not isinstance(topic, str):
        return TypeError(f"a topic is its name or a Topic, not {_type(topic)}")
    for what, data in (("key", key), ("value", value)):
        if data is not None and type(data) is not bytes:
            wanted = f"Topic({topic!r}, {what}={_type(data)})"
            return TypeError(f"a {what} is bytes or None, not {_type(data)}: make bytes of it, or send to {wanted}")
    if partition is not None and not isinstance(partition, int):
        return TypeError(f"a partition is a number, not {_type(partition)}")
    return _wrong_headers(headers)


def _wrong_headers(headers: Any) -> TypeError | None:
    try:
        pairs = [(name, value) for name, value in (headers.items() if isinstance(headers, Mapping) else headers)]
    except (TypeError, ValueError):
        return TypeError("headers are a mapping of names to bytes, or pairs of a name and bytes")
    for name, value in pairs:
        if not isinstance(name, str):
            return TypeError(f"a header's name is str, not {_type(name)}")
        if value is not None and type(value) is not bytes:
            return TypeError(f"the value of the header {name!r} is bytes or None, not {_type(value)}")
    return None


def _type(data: Any) -> str:
    return type(data).__name__
