"""A Produce that is like the one before is read as it would be by whoever takes it apart."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.protocol.codec import decode_prefix
from odradek.protocol.headers import RequestHeader, encode_request, is_flexible, read_request_header, skip_tags
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.produce_alike import MOST_BYTES, ProduceAlike

ID = bytes(range(16))
VERSIONS = [3, 8, 9, 12, 13]


def produce(records: bytes | None, *, index: int = 0, acks: int = -1, topics: int = 1) -> ProduceRequest:
    data = [PartitionProduceData(index, records)]
    return ProduceRequest(None, acks, 5000, [TopicProduceData("topic", ID, data) for _ in range(topics)])


def frame_of(request: ProduceRequest, version: int, number: int = 1, client_id: str | None = "me") -> memoryview:
    pieces: list[Any] = list[Sized](encode_request(request, version, number, client_id))
    return memoryview(bytearray(b"".join(pieces)[4:]))


def taken_apart(frame: memoryview) -> tuple[RequestHeader, ProduceRequest]:
    header, position = read_request_header(frame)
    if is_flexible(ProduceRequest, header.api_version):
        position = skip_tags(frame, position)
    return header, decode_prefix(ProduceRequest, frame, header.api_version, position)[0]


def after(*frames: memoryview) -> ProduceAlike:
    alike = ProduceAlike()
    for frame in frames:
        if alike.read(frame) is None:
            alike.note(frame, *taken_apart(frame))
    return alike


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("client_id", [None, "", "me", "ä" * 100])
def test_the_third_of_its_kind_is_known(version: int, client_id: str | None) -> None:
    sent = [frame_of(produce(b"x" * size), version, size, client_id) for size in (1, 7, 126, 127, 128, 20_000, 70_000)]
    alike = after(*sent[:2])
    assert [alike.read(frame) for frame in sent] == [taken_apart(frame) for frame in sent]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_differs_in_anything_else_is_not_known(version: int) -> None:
    alike = after(*[frame_of(produce(b"abc"), version)] * 2)
    others = [
        frame_of(produce(b"abc", index=1), version),
        frame_of(produce(b"abc", acks=1), version),
        frame_of(produce(b"abc", topics=2), version),
        frame_of(produce(b"abc"), version, client_id="you"),
        frame_of(produce(None), version),
        frame_of(produce(b"abc"), version + 1 if version + 1 in ProduceRequest.VERSIONS else version - 1),
    ]
    assert [alike.read(frame) for frame in others] == [None] * len(others)


def test_what_was_seen_once_is_not_remembered() -> None:
    one, other = frame_of(produce(b"abc"), 9), frame_of(produce(b"abc", index=1), 9)
    alike = after(one, other, one, other)
    assert alike.read(one) is None
    assert alike.read(other) is None


@pytest.mark.parametrize("version", VERSIONS)
def test_of_a_request_with_long_names_nothing_is_remembered(version: int) -> None:
    """A stranger's may have three of 32 KiB, and as many connections as there may be."""
    long = frame_of(produce(b"x" * 2 * MOST_BYTES), version, client_id="x" * MOST_BYTES)
    alike = after(*[long] * 3)
    assert alike.read(long) is None
    assert (alike._known, alike._last) == (None, None)


@pytest.mark.parametrize("version", [3, 9])
def test_bytes_behind_a_request_are_no_records(version: int) -> None:
    longer = memoryview(bytearray(frame_of(produce(b"abc"), version)) + b"\0")
    assert after(*[longer] * 3).read(longer) is None


def test_tags_that_look_like_records_are_none() -> None:
    """The last three bytes are zero, and yet the sections of tags are longer than three bytes."""
    plain = bytearray(frame_of(produce(b"abc"), 9))
    tagged = memoryview(plain[:-3] + b"\x01\x09\x01\x00" + b"\0\0")
    taken_apart(tagged)
    assert after(*[tagged] * 3).read(tagged) is None


@given(
    st.sampled_from(VERSIONS),
    st.lists(st.integers(0, 300), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=2),
    st.integers(-3, 3),
)
def test_whatever_comes_it_is_read_as_it_would_be_taken_apart(
    version: int, sizes: list[int], changes: list[tuple[int, int]], cut: int
) -> None:
    alike = after(*[frame_of(produce(b"x" * size), version) for size in (5, 9)])
    for size in sizes:
        frame = bytearray(frame_of(produce(b"\0" * size), version, size))
        for position, byte in changes:
            frame[position % len(frame)] = byte
        data = memoryview(frame[:cut] if cut < 0 else frame + bytes(cut))
        known = alike.read(data)
        if known is not None:
            assert known == taken_apart(data)
        else:
            try:
                alike.note(data, *taken_apart(data))
            except ProtocolError:
                pass
