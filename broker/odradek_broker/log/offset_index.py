"""The offset index of a segment: a sparse list of batches and where in the file they begin.

Invariants
    Both columns rise strictly; offsets are kept relative to the segment's base offset, in 31 bits.
    An entry holds the last offset of a batch and the position where that same batch begins.

The file is the entries, 8 bytes each, big endian (Kafka: OffsetIndex). It is not preallocated; the index of the active
segment lives in memory and is written when the segment is sealed or the log is closed.
"""

from __future__ import annotations

import operator
import sys
from array import array
from bisect import bisect_right

from odradek.protocol.primitives import Buffer
from odradek_broker.log.failures import CorruptIndex

ENTRY_BYTES = 8
MAX_RELATIVE_OFFSET = 2**31 - 1


class OffsetIndex:
    """Look-ups take and give absolute offsets."""

    __slots__ = ("_offsets", "_positions", "base_offset")

    def __init__(self, base_offset: int) -> None:
        self.base_offset = base_offset
        self._offsets = array("i")
        self._positions = array("i")

    def __len__(self) -> int:
        return len(self._offsets)

    def append(self, last_offset: int, position: int) -> None:
        """Note the batch that ends with `last_offset` and begins at `position`, which follow those noted before."""
        self._offsets.append(last_offset - self.base_offset)
        self._positions.append(position)

    def look_up(self, offset: int) -> int:
        """The position of the last noted batch that ends at or before `offset`; 0 where there is none."""
        index = bisect_right(self._offsets, offset - self.base_offset)
        return self._positions[index - 1] if index else 0

    def boundary_before(self, position: int) -> int:
        """The greatest noted position at or before `position`; 0 where there is none."""
        index = bisect_right(self._positions, position)
        return self._positions[index - 1] if index else 0

    def last_position(self) -> int:
        return self._positions[-1] if self._positions else 0

    def last_offset(self) -> int:
        """The offset of the last entry, or the base offset where there is none."""
        return self.base_offset + (self._offsets[-1] if self._offsets else 0)

    def truncate_to_position(self, size_bytes: int) -> None:
        """Forget the batches that begin at or behind the new end of the file."""
        index = bisect_right(self._positions, size_bytes - 1)
        del self._offsets[index:], self._positions[index:]

    def entries(self) -> list[tuple[int, int]]:
        """All (last offset, position), for tools and tests."""
        return [(self.base_offset + offset, at) for offset, at in zip(self._offsets, self._positions, strict=True)]

    def copy(self) -> OffsetIndex:
        made = OffsetIndex(self.base_offset)
        made._offsets, made._positions = self._offsets[:], self._positions[:]
        return made

    def encode(self) -> bytes:
        columns = array("i", bytes(ENTRY_BYTES * len(self._offsets)))
        columns[::2] = self._offsets
        columns[1::2] = self._positions
        return _big_endian(columns).tobytes()

    @classmethod
    def decode(cls, data: Buffer, base_offset: int, size_bytes: int) -> OffsetIndex:
        """Read a file. Raises CorruptIndex unless it is whole, rises, and stays inside a segment of that size."""
        if len(data) % ENTRY_BYTES:
            raise CorruptIndex(f"{len(data)} bytes are not whole entries")
        columns = array("i")
        columns.frombytes(data)
        columns = _big_endian(columns)
        index = cls(base_offset)
        index._offsets, index._positions = columns[::2], columns[1::2]
        if not (_rises(index._offsets) and _rises(index._positions)):
            raise CorruptIndex("entries do not rise")
        if index._positions and index._positions[-1] >= size_bytes:
            raise CorruptIndex("an entry points behind the end of the segment")
        return index


def decode_last_position(data: Buffer) -> int:
    """The position in the last entry, from the last bytes of a file; 0 where there is none."""
    return int.from_bytes(data[-4:], "big") if len(data) >= ENTRY_BYTES else 0


def _rises(column: array[int]) -> bool:
    return not column or (column[0] >= 0 and all(map(operator.lt, column, column[1:])))


def _big_endian(columns: array[int]) -> array[int]:
    if sys.byteorder == "little":
        columns.byteswap()
    return columns
