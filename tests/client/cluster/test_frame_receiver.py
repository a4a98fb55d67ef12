"""Frames out of bytes that come in any pieces."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.cluster.frames import FrameReceiver
from odradek.protocol.primitives import ProtocolError


def feed(receiver: FrameReceiver, data: bytes, step: int) -> list[bytes]:
    frames = []
    while data:
        room = receiver.room()
        assert len(room)
        count = min(step, len(room), len(data))
        room[:count] = data[:count]
        receiver.received(count)
        data = data[count:]
        while (frame := receiver.next_frame()) is not None:
            frames.append(frame)
    return [bytes(frame) for frame in frames]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=20), st.integers(1, 50))
def test_frames_come_out_as_they_went_in_however_they_are_cut(bodies: list[bytes], step: int) -> None:
    receiver = FrameReceiver(1000, read_ahead_bytes=16)
    wire = b"".join(struct.pack(">i", len(body)) + body for body in bodies)
    assert feed(receiver, wire, step) == bodies


def test_a_frame_stays_as_it_is_when_others_follow() -> None:
    receiver = FrameReceiver(1000, read_ahead_bytes=16)
    first = feed_views(receiver, b"\0\0\0\x03abc")
    feed(receiver, b"\0\0\0\x03xyz" * 10, 5)
    assert bytes(first[0]) == b"abc"


def feed_views(receiver: FrameReceiver, data: bytes) -> list[memoryview]:
    receiver.room()[: len(data)] = data
    receiver.received(len(data))
    frame = receiver.next_frame()
    assert frame is not None
    return [frame]


@pytest.mark.parametrize("size", [-1, 1001])
def test_an_impossible_size_is_a_protocol_error(size: int) -> None:
    receiver = FrameReceiver(1000)
    receiver.room()[:4] = struct.pack(">i", size)
    receiver.received(4)
    with pytest.raises(ProtocolError):
        receiver.next_frame()
