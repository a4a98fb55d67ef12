"""Apache Kafka's own classes read every message as we mean it, and write it with the very same bytes."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest
from msgspec import Struct

from odradek.protocol.codec import decode, encode
from odradek.protocol.registry import API_NAMES
from odradek.protocol.schema import Wire
from tests.protocol.messages.java_program import run_java_program, skip_without_java
from tests.protocol.messages.message_samples import (
    FieldShape,
    Shape,
    field_shapes,
    kafkas_messages,
    label,
    plain,
    samples,
)

pytestmark = [pytest.mark.slow, pytest.mark.java]

NOT_OURS = {
    "AddRaftVoter",
    "RemoveRaftVoter",
    "UnregisterController",
    "StreamsGroupHeartbeat",
    "StreamsGroupDescribe",
    "StreamsGroupTopologyDescriptionUpdate",
}
"""Of a quorum of controllers, and of a group protocol for stream processing: neither exists here."""


@pytest.fixture(autouse=True)
def _need_java() -> None:
    skip_without_java()


class Judged(NamedTuple):
    """One sample, our bytes for it, and what Kafka says to them."""

    version: int
    sample: Any
    encoded: bytes
    answer: str


@cache
def _judged() -> dict[type[Any], list[Judged]]:
    """All samples of all messages, through a single JVM."""
    sent = [
        (message, version, sample, encode(sample, version))
        for message in kafkas_messages()
        for version in message.VERSIONS
        for sample in samples(message, version)
    ]
    answers = run_java_program(
        "MessageEcho", [f"{message.__name__} {version} {encoded.hex()}" for message, version, _, encoded in sent]
    )
    judged: dict[type[Any], list[Judged]] = {message: [] for message in kafkas_messages()}
    for (message, version, sample, encoded), answer in zip(sent, answers, strict=True):
        judged[message].append(Judged(version, sample, encoded, answer))
    return judged


@cache
def _described() -> dict[type[Any], list[str]]:
    """Of each message: key and versions, and the defaults as JSON."""
    answers = run_java_program("MessageEcho", [message.__name__ for message in kafkas_messages()])
    return {message: answer.split("\t") for message, answer in zip(kafkas_messages(), answers, strict=True)}


def test_api_keys_and_versions_are_kafkas() -> None:
    for message, (numbers, _) in _described().items():
        ours = [getattr(message, "API_KEY", -1), message.VERSIONS.start, message.VERSIONS.stop - 1]
        assert numbers == " ".join(map(str, ours)), message.__name__


def test_every_api_of_a_broker_listener_has_its_messages() -> None:
    theirs = dict(line.split(" ") for line in run_java_program("BrokerApis", []))
    theirs = {key: name for key, name in theirs.items() if name not in NOT_OURS}
    assert theirs.items() <= {str(key): name for key, name in API_NAMES.items()}.items()


@pytest.mark.parametrize("message", kafkas_messages(), ids=label)
def test_defaults_are_kafkas(message: type[Any]) -> None:
    for struct_name, theirs in json.loads(_described()[message][1]).items():
        named = {name.lower(): value for name, value in theirs.items()}
        ours = _struct_named(message, struct_name)
        for field in field_shapes(ours, message.VERSIONS[-1]):
            expected = named[field.name.replace("_", "")]
            assert _default_for_json(field) == expected, f"{struct_name}.{field.name}"


def _struct_named(message: type[Any], name: str) -> type[Struct]:
    """Our class for a struct of Kafka's; where files hold two of one name, the message's name stands before it."""
    if name in (message.__name__, message.__name__ + "Data"):
        return message
    module = vars(sys.modules[message.__module__])
    found: type[Struct] = module.get(message.__name__ + name) or module[name]
    return found


def _default_for_json(field: FieldShape) -> Any:
    match field.shape.wire, field.default:
        case Wire.RECORDS, _:
            return None
        case Wire.UUID, bytes(raw):
            return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        case _, bytes(raw):
            return raw.decode("latin-1")
        case _, Struct():
            return type(field.default).__name__
        case _, ():
            return []
    return field.default


@pytest.mark.parametrize("message", kafkas_messages(), ids=label)
def test_kafka_writes_the_same_bytes(message: type[Any]) -> None:
    for version, _, encoded, answer in _judged()[message]:
        assert not answer.startswith("error"), f"v{version}: {answer}: {encoded.hex()}"
        assert answer.split("\t")[0] == encoded.hex(), f"v{version}"


@pytest.mark.parametrize("message", kafkas_messages(), ids=label)
def test_kafka_reads_the_same_fields(message: type[Any]) -> None:
    for version, sample, _, answer in _judged()[message]:
        assert not list(_differences(sample, version, json.loads(answer.split("\t")[1]))), f"v{version}"


@pytest.mark.parametrize("message", kafkas_messages(), ids=label)
def test_what_kafka_writes_is_read_back(message: type[Any]) -> None:
    for version, sample, _, answer in _judged()[message]:
        assert plain(decode(message, bytes.fromhex(answer.split("\t")[0]), version)) == plain(sample)


def _differences(message: Struct, version: int, theirs: dict[str, Any]) -> Iterator[str]:
    """Where Kafka's JSON of a message says something else than ours; Kafka leaves some defaults out."""
    named = {name.lower(): value for name, value in theirs.items()}
    for field in field_shapes(type(message), version):
        ours = getattr(message, field.name)
        if not field.present:
            continue
        name, expected = _json_entry(field, ours)
        if name in named:
            yield from _value_differences(field.shape, expected, named.pop(name), version, field.name)
        elif plain(ours) != plain(field.default):
            yield f"{field.name}: unknown to Kafka"
    yield from (f"{name}: unknown to us" for name in named)


def _json_entry(field: FieldShape, ours: Any) -> tuple[str, Any]:
    name = field.name.replace("_", "")
    if field.shape.wire is Wire.RECORDS:
        return (name, None) if ours is None else (name + "sizeinbytes", len(ours))
    return name, ours


def _value_differences(shape: Shape, ours: Any, theirs: Any, version: int, name: str) -> Iterator[str]:
    if ours is None or theirs is None:
        if ours is not theirs:
            yield f"{name}: {ours!r} is {theirs!r} to Kafka"
    elif isinstance(ours, Struct):
        yield from (f"{name}.{difference}" for difference in _differences(ours, version, theirs))
    elif shape.wire is Wire.ARRAY:
        assert shape.element is not None
        if len(ours) != len(theirs):
            yield f"{name}: {len(ours)} elements, {len(theirs)} to Kafka"
        for our_item, their_item in zip(ours, theirs, strict=False):
            yield from _value_differences(shape.element, our_item, their_item, version, f"{name}[]")
    elif _from_json(shape, theirs) != ours:
        yield f"{name}: {ours!r} is {theirs!r} to Kafka"


def _from_json(shape: Shape, theirs: Any) -> Any:
    if shape.wire is Wire.UUID:
        return base64.urlsafe_b64decode(theirs + "==")
    if shape.wire is Wire.BYTES:
        return base64.b64decode(theirs)
    return theirs
