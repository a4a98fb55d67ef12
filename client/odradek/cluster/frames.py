"""Frames as a client receives them: each large one in a buffer of its own.

A broker's FrameBuffer uses one buffer again and again, since a request is done with when its handler returns. A client
keeps what it fetched: records are decoded when the program asks for them. So a frame that does not fit the small
read-ahead buffer gets a buffer of exactly its size, is received straight into it, and is never copied.

Invariant: what a frame says of its size costs address space at most; memory is taken as its bytes arrive.
"""

from __future__ import annotations

import struct
from mmap import mmap

from odradek.protocol.primitives import ProtocolError

SIZE_BYTES = 4
READ_AHEAD_BYTES = 64 * 1024
HUGE_BYTES = 8 * 1024 * 1024
"""A frame from here on lies in pages of its own, which the system provides when they are written to."""

_read_size = struct.Struct(">i").unpack_from


class FrameReceiver:
    """The receiving half of one connection. Frames that are handed out stay valid for as long as they are kept."""

    def __init__(self, max_frame_bytes: int, read_ahead_bytes: int = READ_AHEAD_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._ahead = memoryview(bytearray(read_ahead_bytes))
        self._start = 0
        self._end = 0
        self._large: memoryview | None = None
        self._filled = 0

    def room(self) -> memoryview:
        """Where to receive into, never empty; for when `next_frame` gave None."""
        if self._large is not None:
            return self._large[self._filled :]
        if self._start:
            have = self._end - self._start
            self._ahead[:have] = bytes(self._ahead[self._start : self._end])
            self._start, self._end = 0, have
        return self._ahead[self._end :]

    def received(self, count: int) -> None:
        """Say that so many bytes were put into `room`."""
        if self._large is not None:
            self._filled += count
        else:
            self._end += count

    def next_frame(self) -> memoryview | None:
        """The next whole frame without its size, or None where more bytes are needed. Raises ProtocolError."""
        if self._large is not None:
            if self._filled < len(self._large):
                return None
            frame, self._large = self._large, None
            return frame
        have = self._end - self._start
        if have < SIZE_BYTES:
            return None
        size: int = _read_size(self._ahead, self._start)[0]
        if size < 0 or size > self._max_frame_bytes:
            raise ProtocolError(f"frame of {size} bytes; the limit is {self._max_frame_bytes}")
        body = self._start + SIZE_BYTES
        if have >= SIZE_BYTES + size:
            self._start = body + size
            return memoryview(bytes(self._ahead[body : self._start]))
        if SIZE_BYTES + size > len(self._ahead):
            self._large = memoryview(bytearray(size) if size < HUGE_BYTES else mmap(-1, size))
            self._filled = self._end - body
            self._large[: self._filled] = self._ahead[body : self._end]
            self._start = self._end = 0
        return None
