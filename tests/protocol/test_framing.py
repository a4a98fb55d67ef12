"""Frames come out as they went in, however the bytes were cut, and a peer gets no memory for what it announces."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.protocol.framing import BASE_BYTES, FrameBuffer
from odradek.protocol.primitives import ProtocolError

BASE = 64
LIMIT = 5_000


def receive(buffer: FrameBuffer, data: bytes) -> list[bytes]:
    """Put bytes in as a socket does, taking the frames out as a connection does."""
    frames: list[bytes] = []
    while True:
        frame = buffer.next_frame()
        if frame is not None:
            frames.append(bytes(frame))
        elif data:
            room = buffer.room()
            assert len(room) > 0
            count = min(len(room), len(data))
            room[:count] = data[:count]
            buffer.received(count)
            data = data[count:]
        else:
            return frames


def framed(payload: bytes) -> bytes:
    return struct.pack(">i", len(payload)) + payload


@given(
    payloads=st.lists(st.binary(max_size=3 * BASE) | st.integers(0, LIMIT).map(bytes), max_size=12),
    cuts=st.lists(st.integers(1, 200), min_size=1, max_size=50),
)
def test_frames_cut_anywhere_come_out_whole_and_in_order(payloads: list[bytes], cuts: list[int]) -> None:
    buffer, stream, frames = FrameBuffer(LIMIT, BASE), b"".join(map(framed, payloads)), []
    step = 0
    while stream:
        count = cuts[step % len(cuts)]
        frames += receive(buffer, stream[:count])
        stream = stream[count:]
        step += 1
    assert frames == payloads
    assert buffer.buffered_bytes == 0
    assert buffer.capacity_bytes <= max(BASE, LIMIT + 4)


@pytest.mark.parametrize("size", [-1, -(2**31), LIMIT + 1, 2**31 - 1])
def test_a_size_that_may_not_be_is_refused_before_any_memory_is_taken(size: int) -> None:
    buffer = FrameBuffer(LIMIT, BASE)
    with pytest.raises(ProtocolError):
        receive(buffer, struct.pack(">i", size))
    assert buffer.capacity_bytes == BASE


def test_a_frame_of_exactly_the_limit_is_taken() -> None:
    assert receive(FrameBuffer(LIMIT, BASE), framed(bytes(LIMIT))) == [bytes(LIMIT)]


def test_memory_grows_with_what_has_come_and_not_with_what_is_announced() -> None:
    buffer = FrameBuffer(LIMIT, BASE)
    for came, byte in enumerate(framed(bytes(LIMIT))[:-1], 1):
        assert receive(buffer, bytes([byte])) == []
        assert buffer.capacity_bytes <= max(BASE, 2 * came)


def test_what_is_asked_of_a_memory_budget_is_what_room_then_takes() -> None:
    buffer, data = FrameBuffer(LIMIT, BASE), framed(bytes(LIMIT))
    while buffer.next_frame() is None:
        wanted = buffer.capacity_wanted()
        room = buffer.room()
        assert buffer.capacity_bytes == wanted
        count = min(len(room), len(data))
        room[:count] = data[:count]
        buffer.received(count)
        data = data[count:]


def test_a_frame_stays_as_it_is_until_room_is_asked_for() -> None:
    buffer = FrameBuffer(LIMIT, BASE)
    data = framed(b"first") + framed(b"second") + framed(b"third")[:6]
    buffer.room()[: len(data)] = data
    buffer.received(len(data))
    first, second = buffer.next_frame(), buffer.next_frame()
    assert buffer.next_frame() is None
    assert first == b"first" and second == b"second"


def test_shrinking_gives_back_what_a_large_frame_took_and_loses_nothing() -> None:
    buffer = FrameBuffer(LIMIT, BASE)
    receive(buffer, framed(bytes(LIMIT)))
    assert buffer.capacity_bytes > BASE
    assert receive(buffer, framed(b"next")[:5]) == []
    buffer.shrink()
    assert buffer.capacity_bytes > BASE, "a part of a frame is in it"
    assert receive(buffer, framed(b"next")[5:]) == [b"next"]
    buffer.shrink()
    assert buffer.capacity_bytes == BASE
    assert receive(buffer, framed(b"after")) == [b"after"]


def test_an_idle_connection_costs_its_base_and_no_more() -> None:
    assert FrameBuffer(100 * 1024 * 1024).capacity_bytes == BASE_BYTES
