"""Frames: a signed 32-bit size, then as many bytes. Bytes go in as they come, whole frames come out; no I/O here.

The buffer is received into directly, so that a produced batch is copied once, by the kernel. A frame that is handed
out is a view of that buffer: it is valid until `room` is called again.

A peer that announces a size gets no memory for the announcement: what may be received into at most doubles with the
bytes that have really come. A large frame has its addresses at once, so that it is never moved, but a page of them
becomes memory only when bytes arrive in it, and all of it is the system's again as soon as it is dropped.
"""

from __future__ import annotations

import mmap
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
        self._large: mmap.mmap | None = None
        """What the view is of, where a large frame needed it."""
        self._capacity = base_bytes
        self._start = 0
        self._end = 0

    @property
    def capacity_bytes(self) -> int:
        """How much of the buffer may be memory."""
        return self._capacity

    @property
    def buffered_bytes(self) -> int:
        """Received, and not yet handed out as part of a frame."""
        return self._end - self._start

    @property
    def missing_bytes(self) -> int:
        """Of the next frame, where its size is known."""
        return max(self._next_size() + SIZE_BYTES - self.buffered_bytes, 0)

    def next_frame(self) -> memoryview | None:
        """The next whole frame without its size, or None where more bytes are needed. Raises ProtocolError."""
        if self._start == self._end:
            return None
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
        if self._start == self._end:
            return self._capacity
        needed = self._next_size() + SIZE_BYTES
        if needed <= self._capacity or self._end - self._start < self._capacity:
            return self._capacity
        return min(needed, 2 * self._capacity)

    def room(self) -> memoryview:
        """Where to receive into, never empty; for when `next_frame` gave None. Ends the frames handed out before."""
        if self._start == self._end:
            self._start = self._end = 0
            return self._view[: self._capacity]
        needed = self._next_size() + SIZE_BYTES
        self._make_place(needed)
        if needed > self._base_bytes:
            # A large frame is received up to its end and no further, so that nothing behind it has to be moved.
            return self._view[self._end : min(self._start + needed, self._capacity)]
        return self._view[self._end : self._capacity]

    def received(self, count: int) -> None:
        """Say that so many bytes were put into `room`."""
        self._end += count

    def shrink(self) -> None:
        """Give back what a large frame took, where nothing is buffered and nobody looks at the frame any more."""
        if self._large is None or self._start != self._end:
            return
        self._view.release()
        try:
            self._large.close()
        except BufferError:
            self._view = memoryview(self._large)
            return
        self._view, self._large = memoryview(bytearray(self._base_bytes)), None
        self._capacity = self._base_bytes
        self._start = self._end = 0

    def drop(self) -> None:
        """Give back everything: no more frames are wanted."""
        self._start = self._end = 0
        self.shrink()

    def _make_place(self, needed: int) -> None:
        """For the rest of the next frame, or for more of several."""
        have = self._end - self._start
        self._capacity = self.capacity_wanted()
        if self._capacity > len(self._view):
            self._large = mmap.mmap(-1, _addresses(needed))
            self._move_to(memoryview(self._large))
        elif have == 0:
            self._start = self._end = 0
        elif self._start and (self._end == self._capacity or self._start + max(have, needed) > self._capacity):
            self._move_to(self._view)

    def _move_to(self, target: memoryview) -> None:
        have = self._end - self._start
        target[:have] = self._view[self._start : self._end]
        self._view = target
        self._start, self._end = 0, have


def _addresses(needed: int) -> int:
    """For a frame, and for a somewhat larger one after it: a power of two."""
    return 1 << (needed - 1).bit_length()
