"""Messages with one value in them that nobody means well by: answers to clients, and requests to brokers."""

from __future__ import annotations

from random import Random
from typing import Any

from msgspec import Struct, structs

from odradek.protocol.errors import ErrorCode

INTEGERS = (-(2**31), -2, -1, 0, 1, 2, 7, 32_767, 2**31 - 1, 2**62, -(2**63), 2**63 - 1)
TEXTS = ("", "?", "x" * 300, "orders", "fake")
BYTES = (b"", b"\0", b"\xff" * 61, bytes(200))


def spoilt(random: Random, value: Any) -> Any:
    """The same message but for one value in it, however deep."""
    if isinstance(value, Struct):
        fields = structs.fields(value)
        if not fields:
            return value
        name = random.choice(fields).name
        return structs.replace(value, **{name: spoilt(random, getattr(value, name))})
    if isinstance(value, list | tuple):
        return _spoilt_array(random, list(value))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return random.choice((*INTEGERS, value + 1, value - 1, *map(int, ErrorCode)))
    if isinstance(value, str):
        return random.choice(TEXTS)
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        return random.choice((*BYTES, data[: len(data) // 2], data + data, _with_one_bit_turned(random, data)))
    return random.choice((None, 0, "", b"", []))


def _spoilt_array(random: Random, values: list[Any]) -> list[Any]:
    if values and random.random() < 0.75:
        at = random.randrange(len(values))
        values[at] = spoilt(random, values[at])
        return values
    return random.choice(([], values + values, values[1:], values * 50))


def _with_one_bit_turned(random: Random, data: bytes) -> bytes:
    if not data:
        return b"?"
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
