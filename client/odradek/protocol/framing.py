"""Frames: a signed 32-bit size, then as many bytes. Bytes go in as they come, whole frames come out; no I/O here.

The buffer is received into directly, so that a produced batch is copied once, by the kernel. A frame that is handed
out is a view of that buffer: it is valid until `room` is called again.

A peer that announces a size gets no memory for the announcement: the buffer at most doubles with the bytes that have
really come.
"""

from __future__ import annotations

import struct

from odradek.protocol.primitives import ProtocolError

SIZE_BYTES = 4
BASE_BYTES = 8 * 1024
"""The capacity that every buffer begins with and shrinks back to."""

_read_size = struct.Struct(">i").unpack_from


class FrameBuffer:
    """The receiving half of one connection."""

    def __init__(self, max_frame_bytes: int, base_bytes: int = BASE_BYTES) -> None:
        self.max_frame_bytes = max_frame_bytes
        self._base_bytes = base_bytes
        self._view = memoryview(bytearray(base_bytes))
        self._start = 0
        self._end = 0

    @property
    def capacity_bytes(self) -> int:
        return len(self._view)

    @property
    def buffered_bytes(self) -> int:
        """Received, and not yet handed out as part of a frame."""
        return self._end - self._start

    def next_frame(self) -> memoryview | None:
        """The next whole frame without its size, or None where more bytes are needed. Raises ProtocolError."""
        size = self._next_size()
        if size < 0 or self._end - self._start < SIZE_BYTES + size:
            return None
        begin = self._start + SIZE_BYTES
        self._start = begin + size
        return self._view[begin : self._start]

    def _next_size(self) -> int:
        """The announced size of the next frame, or -1 where not even that has come."""
        if self._end - self._start < SIZE_BYTES:
            return -1
        size: int = _read_size(self._view, self._start)[0]
        if size < 0 or size > self.max_frame_bytes:
            raise ProtocolError(f"frame of {size} bytes; the limit is {self.max_frame_bytes}")
        return size

    def capacity_wanted(self) -> int:
        """How large `room` is about to make the buffer: what to ask a memory budget for."""
        size = self._next_size()
        have = self._end - self._start
        if size + SIZE_BYTES <= len(self._view) or have < len(self._view):
            return len(self._view)
        return min(size + SIZE_BYTES, 2 * len(self._view))

    def room(self) -> memoryview:
        """Where to receive into, never empty; for when `next_frame` gave None. Ends the frames handed out before."""
        have = self._end - self._start
        wanted = self.capacity_wanted()
        if wanted > len(self._view):
            self._move_to(memoryview(bytearray(wanted)))
        elif self._end == len(self._view) or self._start + max(have, self._next_size() + SIZE_BYTES) > len(self._view):
            self._move_to(self._view)
        elif have == 0:
            self._start = self._end = 0
        size = self._next_size()
        if size + SIZE_BYTES > self._base_bytes:
            # A large frame is received up to its end and no further, so that nothing behind it has to be moved.
            return self._view[self._end : min(self._start + SIZE_BYTES + size, len(self._view))]
        return self._view[self._end :]

    def received(self, count: int) -> None:
        """Say that so many bytes were put into `room`."""
        self._end += count

    def shrink(self) -> None:
        """Give back what a large frame took, where nothing is buffered."""
        if self._start == self._end and len(self._view) > self._base_bytes:
            self._view = memoryview(bytearray(self._base_bytes))
            self._start = self._end = 0

    def _move_to(self, target: memoryview) -> None:
        have = self._end - self._start
        target[:have] = self._view[self._start : self._end]
        self._view = target
        self._start, self._end = 0, have
