"""Where the newest batches of the active segment begin, each one of them.

Nearly every read is of the end of the log, and most by a reader that asks for the batch appended a moment ago. The
sparse index would answer with a place up to `index.interval.bytes` before it; this answers exactly, without a read.
"""

from __future__ import annotations

from bisect import bisect_left

KEPT = 512
NOTHING_KNOWN = 2**63 - 1


class Tail:
    """Knows every batch that ends behind `floor`, at least the last KEPT ones and at most twice as many."""

    __slots__ = ("_last_offsets", "_positions", "floor")

    def __init__(self, floor: int = NOTHING_KNOWN) -> None:
        self.floor = floor
        self._last_offsets: list[int] = []
        self._positions: list[int] = []

    def append(self, last_offset: int, position: int) -> None:
        self._last_offsets.append(last_offset)
        self._positions.append(position)
        if len(self._positions) >= 2 * KEPT:
            self.floor = self._last_offsets[KEPT - 1]
            del self._last_offsets[:KEPT], self._positions[:KEPT]

    def find(self, offset: int, size_bytes: int) -> tuple[int, int] | None:
        """Where the first batch that ends at or behind `offset` begins, and where it ends; None where there is none.

        Only for an offset behind `floor`, in a segment of that size.
        """
        positions = self._positions
        index = bisect_left(self._last_offsets, offset)
        if index == len(positions):
            return None
        end = positions[index + 1] if index + 1 < len(positions) else size_bytes
        return positions[index], end

    def boundary_before(self, position: int) -> int:
        """The greatest known beginning of a batch at or before `position`; 0 where there is none."""
        index = bisect_left(self._positions, position + 1)
        return self._positions[index - 1] if index else 0
