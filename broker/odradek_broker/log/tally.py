"""How many records a segment holds before an offset: sums over the headers of its batches, kept at marks on the way.

Invariants
    A sum covers whole batches: those that end before the mark's offset.
    Only what lies before the last stable offset is kept. Nothing changes there any more: who has committed has
    committed. Compaction puts another segment, with an empty tally, in the place of the old one; a log whose end is cut
    forgets all its tallies, since a transaction that was over may be open again.
    There are at most MOST_MARKS marks. Beyond that every other one goes, and those to come are twice as far apart.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import NamedTuple

APART = 256
"""Batches between two marks of a segment that has few: what a count may have to walk over, mark or no mark."""
MOST_MARKS = 1_000

_NEXT_OFFSET = attrgetter("next_offset")


class Mark(NamedTuple):
    """A place between two batches, and the sums of all before it."""

    next_offset: int
    """All batches before it end before this offset."""
    position: int
    """Where the next batch begins."""
    batches: int = 0
    records: int = 0
    """Of data batches: control records are none."""
    size_bytes: int = 0
    """Of the data batches that hold a record."""
    aborted_records: int = 0
    """Of these, what belongs to aborted transactions."""
    aborted_bytes: int = 0


class Tally:
    """Of one segment; it begins with a mark at the segment's beginning."""

    __slots__ = ("_apart", "_marks")

    def __init__(self, base_offset: int) -> None:
        self._marks = [Mark(base_offset, 0)]
        self._apart = APART

    def __len__(self) -> int:
        return len(self._marks)

    def before(self, offset: int) -> Mark:
        """The last mark at or before an offset; the first where there is none."""
        return self._marks[max(bisect_right(self._marks, offset, key=_NEXT_OFFSET) - 1, 0)]

    def is_due(self, batches: int) -> bool:
        """Whether a mark behind so many batches is far enough behind the last."""
        return batches - self._marks[-1].batches >= self._apart

    def add(self, mark: Mark) -> None:
        """Of two walks that go the same way the second adds nothing."""
        if not self.is_due(mark.batches):
            return
        self._marks.append(mark)
        if len(self._marks) > MOST_MARKS:
            del self._marks[1::2]
            self._apart *= 2
