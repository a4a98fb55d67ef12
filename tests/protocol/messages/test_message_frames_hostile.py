"""Frames from a stranger: whatever is in them, the decoder gives a message or raises ProtocolError, and stays small."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.protocol.codec import MAX_ELEMENTS, decode, decode_prefix, decoder, encode
from odradek.protocol.messages.api_versions import ApiVersionsResponse
from odradek.protocol.messages.fetch import FetchRequest, ForgottenTopic
from odradek.protocol.messages.heartbeat import HeartbeatRequest
from odradek.protocol.messages.join_group import JoinGroupRequest
from odradek.protocol.messages.metadata import MetadataRequest
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from odradek.protocol.primitives import MAX_TAGS, ProtocolError, TooManyElements, write_uvarint
from tests.protocol.messages.message_samples import all_messages, all_versions, label, plain, samples

every_message = pytest.mark.parametrize("message", all_messages(), ids=label)
every_version = pytest.mark.parametrize(("message", "version"), all_versions(), ids=label)

UNKNOWN_TAG = bytes([0xE8, 0x07]) + b"\x03" + b"abc"
"""Tag 1000 with three bytes."""
HUGE_LENGTHS = [b"\x7f\xff\xff\xff", b"\x7f\xff", b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\xff\xff", b"\xff\x7f"]
PEAK_BYTES = 1 << 20


def _is_flexible(message: type[Any], version: int) -> bool:
    return message.FLEXIBLE is not None and version >= message.FLEXIBLE


def _samples_to_cut(message: type[Any], version: int) -> list[bytes]:
    return sorted({encode(sample, version) for sample in samples(message, version)}, key=len)[:5]


@every_version
def test_every_truncation_is_a_protocol_error(message: type[Any], version: int) -> None:
    for frame in _samples_to_cut(message, version):
        for length in range(len(frame)):
            with pytest.raises(ProtocolError):
                decode_prefix(message, frame[:length], version)


@every_version
def test_a_byte_too_many_is_a_protocol_error(message: type[Any], version: int) -> None:
    for sample in samples(message, version):
        with pytest.raises(ProtocolError):
            decode(message, encode(sample, version) + b"\x00", version)


@pytest.mark.parametrize(("message", "version"), [pair for pair in all_versions() if _is_flexible(*pair)], ids=label)
def test_unknown_tagged_fields_are_skipped(message: type[Any], version: int) -> None:
    frame = encode(message(), version)
    assert frame[-1] == 0, "a default message ends with an empty section of tagged fields"
    assert decode(message, frame[:-1] + b"\x01" + UNKNOWN_TAG, version) == decode(message, frame, version)


def test_unknown_tagged_fields_are_skipped_in_nested_structs_too() -> None:
    partition = b"\x00\x00\x00\x07" + b"\x04xyz" + b"\x01" + UNKNOWN_TAG
    topic = b"\x02t" + b"\x02" + partition + b"\x01" + UNKNOWN_TAG
    frame = b"\x00" + b"\x00\x01" + b"\x00\x00\x00\x64" + b"\x02" + topic + b"\x01" + UNKNOWN_TAG
    expected = ProduceRequest(
        acks=1,
        timeout_ms=100,
        topic_data=[TopicProduceData(name="t", partition_data=[PartitionProduceData(index=7, records=b"xyz")])],
    )
    assert plain(decode(ProduceRequest, frame, 9)) == plain(expected)


def test_known_and_unknown_tagged_fields_may_be_mixed() -> None:
    body = b"\x00\x00" + b"\x01" + b"\x00\x00\x00\x00"
    epoch = b"\x01\x08" + (7).to_bytes(8, "big")
    frame = body + b"\x02" + epoch + UNKNOWN_TAG
    assert decode(ApiVersionsResponse, frame, 3).finalized_features_epoch == 7


@pytest.mark.parametrize(
    "tags",
    [
        b"\x02" + b"\x01\x08" + bytes(8) + b"\x01\x08" + bytes(8),
        b"\x02" + b"\x05\x00" + b"\x04\x00",
        b"\x01" + b"\x01\x09" + bytes(9),
        b"\x01" + b"\x01\x04" + bytes(8),
        b"\x01" + b"\x09\x7f",
        b"\xff\xff\xff\xff\x0f",
    ],
    ids=["twice", "falling numbers", "too long", "too short", "beyond the end", "four billion of them"],
)
def test_malformed_tagged_fields_are_protocol_errors(tags: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(ApiVersionsResponse, b"\x00\x00" + b"\x01" + b"\x00\x00\x00\x00" + tags, 3)


@pytest.mark.parametrize(
    ("message", "version", "frame"),
    [
        (MetadataRequest, 0, b"\xff\xff\xff\xff"),
        (MetadataRequest, 1, b"\xff\xff\xff\xfe"),
        (MetadataRequest, 1, b"\x00\x00\x00\x01" + b"\xff\xff"),
        (MetadataRequest, 9, b"\x02" + b"\x00"),
        (MetadataRequest, 1, b"\x00\x00\x00\x01" + b"\x00\x01\xff"),
        (JoinGroupRequest, 0, b"\xff\xff" + bytes(20)),
    ],
    ids=["null array", "negative array", "null string", "null compact string", "no UTF-8", "null group"],
)
def test_null_where_none_may_be_and_other_nonsense(message: type[Any], version: int, frame: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(message, frame, version)


@every_message
@settings(max_examples=60, deadline=None, database=None)
@given(which=st.integers(0, 255), garbage=st.binary(max_size=200))
def test_garbage_decodes_or_is_a_protocol_error(message: type[Any], which: int, garbage: bytes) -> None:
    version = message.VERSIONS[which % len(message.VERSIONS)]
    _decode_if_possible(message, garbage, version)


@every_message
def test_no_length_makes_the_decoder_grow(message: type[Any]) -> None:
    version = message.VERSIONS[-1]
    frame = max(_samples_to_cut(message, version), key=len)[:400]
    _decode_if_possible(message, frame, version)
    tracemalloc.start()
    try:
        for position in range(len(frame)):
            for length in HUGE_LENGTHS:
                _decode_if_possible(message, frame[:position] + length + frame[position + 1 :], version)
        assert tracemalloc.get_traced_memory()[1] < PEAK_BYTES
    finally:
        tracemalloc.stop()


def test_all_arrays_of_a_message_share_one_budget() -> None:
    def forgetting(topic_count: int) -> bytes:
        forgotten = [ForgottenTopic(topic="t", partitions=range(999))] * topic_count
        return encode(FetchRequest(forgotten_topics_data=forgotten), 7)

    assert decode(FetchRequest, forgetting(MAX_ELEMENTS // 1000), 7)
    with pytest.raises(ProtocolError, match="too many array elements"):
        decode(FetchRequest, forgetting(MAX_ELEMENTS // 1000 + 1), 7)


def _decode_if_possible(message: type[Any], frame: bytes, version: int) -> None:
    try:
        decode(message, frame, version)
    except ProtocolError:
        pass


def tagged(count: int) -> bytes:
    """A request with so many tagged fields that nobody knows."""
    frame = bytearray(encode(MetadataRequest(), 9)[:-1])
    write_uvarint(frame, count)
    for number in range(count):
        write_uvarint(frame, number)
        frame.append(0)
    return bytes(frame)


def test_a_section_of_tagged_fields_is_bounded() -> None:
    assert decode(MetadataRequest, tagged(MAX_TAGS), 9) == decode(MetadataRequest, tagged(0), 9)
    with pytest.raises(ProtocolError, match="tagged fields in one section"):
        decode(MetadataRequest, tagged(MAX_TAGS + 1), 9)


def test_tagged_fields_and_elements_are_counted_together_against_what_a_reader_takes() -> None:
    assert decode_prefix(MetadataRequest, tagged(7), 9, max_elements=7)
    with pytest.raises(TooManyElements):
        decode_prefix(MetadataRequest, tagged(8), 9, max_elements=7)


@pytest.mark.parametrize("version", [-1, 14, 32767])
def test_a_version_that_a_message_does_not_have_leaves_nothing_in_the_cache(version: int) -> None:
    before = decoder.cache_info().currsize
    with pytest.raises(ProtocolError, match="has no version"):
        decode(MetadataRequest, b"", version)
    assert decoder.cache_info().currsize == before


def test_a_string_is_as_long_as_every_version_could_hold_it() -> None:
    """As in Kafka; else what was read in one version could not be said in another."""
    for length, is_taken in ((127, True), (2**15 - 1, True), (2**15, False)):
        frame = encode(HeartbeatRequest(group_id="x" * length), 4)
        if is_taken:
            assert len(decode(HeartbeatRequest, frame, 4).group_id) == length
        else:
            with pytest.raises(ProtocolError, match="32767"):
                decode(HeartbeatRequest, frame, 4)
