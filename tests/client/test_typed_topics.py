"""Typed topics, serializers, and that types are inferred without a cast."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from odradek import Record, SerializationFailed, Topic, nullable
from odradek.serializers import serializer_for


class Flight(msgspec.Struct):
    origin: str
    minutes: int


@dataclass
class Point:
    x: int
    y: int


def raw(key: bytes | None, value: bytes | None) -> Record[bytes | None, bytes | None]:
    return Record("t", 3, 42, 0, key, value)


@pytest.mark.parametrize(
    ("kind", "form", "value", "encoded"),
    [
        (bytes, "json", b"\xff", b"\xff"),
        (str, "json", "é", "é".encode()),
        (int, "json", 5, b"5"),
        (Flight, "json", Flight("EWR", 227), b'{"origin":"EWR","minutes":227}'),
        (Flight, "msgpack", Flight("EWR", 227), msgspec.msgpack.encode(Flight("EWR", 227))),
        (Point, "json", Point(1, 2), b'{"x":1,"y":2}'),
        (dict, "json", {"a": [1]}, b'{"a":[1]}'),
    ],
)
def test_values_are_written_by_their_type_and_read_back(kind: Any, form: Any, value: Any, encoded: bytes) -> None:
    serializer = serializer_for(kind, form)
    assert serializer.encode(value) == encoded
    assert serializer.decode(encoded) == value


@pytest.mark.parametrize("kind", [bytes, str, Flight])
def test_null_is_refused_unless_it_is_allowed(kind: Any) -> None:
    with pytest.raises(SerializationFailed, match="null"):
        serializer_for(kind).decode(None)
    allowed: Any = nullable(kind)
    assert allowed.decode(None) is None
    assert allowed.encode(None) is None


def test_a_record_that_cannot_be_read_says_where_it_is_and_carries_it() -> None:
    flights = Topic("t", key=str, value=Flight)
    record = raw(b"k", b'{"origin":"EWR"}')
    with pytest.raises(SerializationFailed, match="minutes") as caught:
        flights.decode(record)
    assert caught.value.record is record
    assert caught.value.__notes__ == ["t-3 at offset 42"]


def test_a_value_of_another_type_is_refused_when_it_is_sent() -> None:
    with pytest.raises(SerializationFailed):
        Topic("t", value=Flight).encode_value(object())  # type: ignore[arg-type]


def test_decoding_and_encoding_are_each_others_inverse() -> None:
    flights = Topic("t", key=str, value=nullable(Flight))
    for record in (raw(b"k", b'{"origin":"EWR","minutes":1}'), raw(b"k", None)):
        assert flights.encode(flights.decode(record)) == record


PROGRAM = """
import msgspec
from odradek import Consumer, Producer, Topic, nullable

class Flight(msgspec.Struct):
    origin: str

flights = Topic("flights", key=str, value=Flight)
latest = Topic("latest", value=nullable(Flight))

async def main() -> None:
    async with Producer("b") as producer:
        await producer.send(flights, Flight("EWR"), key="UA1545")
        await producer.send(latest, None)
        await producer.send("raw", b"v", key=b"k")
    async with Consumer("b", flights, group="g") as consumer:
        async for record in consumer:
            reveal_type(record.key)
            reveal_type(record.value)
    async with Consumer("b", [latest]) as latest_consumer:
        for later in await latest_consumer.poll():
            reveal_type(later.value)
    async with Consumer("b", ["raw"]) as raw:
        reveal_type((await anext(raw)).value)
"""
WRONG = """
    async with Producer("b") as producer:
        await producer.send(flights, Flight("EWR"), key=b"bytes")
        await producer.send(flights, "no flight", key="k")
        await producer.send(flights, Flight("EWR"))
        await producer.send("raw", "text")
"""


@pytest.mark.slow
def test_types_are_inferred_under_strict_mypy(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM + WRONG)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file=", str(program)]
    out = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    revealed = [line.split('"')[1] for line in out.splitlines() if "Revealed type" in line]
    assert revealed == ["str", "program.Flight", "program.Flight | None", "bytes | None"], out
    first_wrong = PROGRAM.count("\n") + 3
    errors = [int(line.split(":")[1]) for line in out.splitlines() if ": error:" in line]
    assert sorted(set(errors)) == [first_wrong, first_wrong + 1, first_wrong + 2, first_wrong + 3], out
