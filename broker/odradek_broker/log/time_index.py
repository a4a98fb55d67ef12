"""The time index of a segment: how far time had come, as its batches tell it, at offsets along the way.

Invariants
    Timestamps rise strictly, offsets never fall.
    An entry (timestamp, offset) says: no batch up to `offset` is younger than `timestamp`, and the batch that ends with
    `offset` is that young.
    The last entry of a sealed segment carries the segment's largest timestamp.

The file is the entries, 12 bytes each, big endian (Kafka: TimeIndex).
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right

from odradek.protocol.primitives import Buffer
from odradek_broker.log.failures import CorruptIndex

_ENTRY = struct.Struct(">qi")
ENTRY_BYTES = _ENTRY.size


class TimeIndex:
    """Look-ups take and give absolute offsets; timestamps are milliseconds."""

    __slots__ = ("_offsets", "_timestamps", "base_offset")

    def __init__(self, base_offset: int) -> None:
        self.base_offset = base_offset
        self._timestamps = array("q")
        self._offsets = array("i")

    def __len__(self) -> int:
        return len(self._timestamps)

    def maybe_append(self, timestamp: int, offset: int) -> None:
        """Note the largest timestamp so far and the last offset of its batch, unless that is known already."""
        if timestamp >= 0 and (not self._timestamps or timestamp > self._timestamps[-1]):
            self._timestamps.append(timestamp)
            self._offsets.append(offset - self.base_offset)

    def look_up(self, timestamp: int) -> int:
        """An offset that every batch younger than or as old as `timestamp` ends at or behind."""
        index = bisect_left(self._timestamps, timestamp)
        return self.base_offset + (self._offsets[index - 1] if index else 0)

    def last_entry(self) -> tuple[int, int]:
        """The largest timestamp noted and its offset; (-1, base offset) where there is none."""
        if not self._timestamps:
            return -1, self.base_offset
        return self._timestamps[-1], self.base_offset + self._offsets[-1]

    def truncate_to(self, offset: int) -> None:
        """Forget entries at or behind `offset`."""
        index = bisect_right(self._offsets, offset - self.base_offset - 1)
        del self._timestamps[index:], self._offsets[index:]

    def entries(self) -> list[tuple[int, int]]:
        """All (timestamp, offset), for tools and tests."""
        return [(time, self.base_offset + offset) for time, offset in zip(self._timestamps, self._offsets, strict=True)]

    def copy(self) -> TimeIndex:
        made = TimeIndex(self.base_offset)
        made._timestamps, made._offsets = self._timestamps[:], self._offsets[:]
        return made

    def encode(self) -> bytes:
        return b"".join(map(_ENTRY.pack, self._timestamps, self._offsets))

    @classmethod
    def decode(cls, data: Buffer, base_offset: int) -> TimeIndex:
        """Read a file. Raises CorruptIndex unless it is whole and rises."""
        if len(data) % ENTRY_BYTES:
            raise CorruptIndex(f"{len(data)} bytes are not whole entries")
        index = cls(base_offset)
        timestamp_before, offset_before = -1, 0
        for timestamp, offset in _ENTRY.iter_unpack(data):
            if timestamp <= timestamp_before or offset < offset_before:
                raise CorruptIndex("entries do not rise")
            index._timestamps.append(timestamp)
            index._offsets.append(offset)
            timestamp_before, offset_before = timestamp, offset
        return index


def decode_last_entry(data: Buffer, base_offset: int) -> tuple[int, int]:
    """(timestamp, offset) of the last entry, from the last bytes of a file; what it costs a start per segment."""
    if len(data) < ENTRY_BYTES:
        return -1, base_offset
    timestamp, offset = _ENTRY.unpack_from(data, len(data) - ENTRY_BYTES)
    return timestamp, base_offset + offset
