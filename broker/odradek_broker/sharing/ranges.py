"""Runs of offsets of which the same can be said, in order, none over another.

Share partitions hold thousands of records in flight; what is said of them is nearly always said of many at once. So
nothing here is kept by record: a run is cut where something new is said of a part of it, and grows together again with
its neighbours where they no longer differ.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from enum import IntEnum
from operator import attrgetter
from typing import NamedTuple

_FIRST, _LAST = attrgetter("first_offset"), attrgetter("last_offset")


class RecordState(IntEnum):
    """Of a record, in the eyes of one share group; Kafka's numbers."""

    AVAILABLE = 0
    ACQUIRED = 1
    ACKNOWLEDGED = 2
    ARCHIVED = 4

    @property
    def is_terminal(self) -> bool:
        return self >= RecordState.ACKNOWLEDGED


class Range(NamedTuple):
    """Offsets from first to last, both included."""

    first_offset: int
    last_offset: int
    state: RecordState
    delivery_count: int
    """How often the records have been acquired."""
    member_id: str = ""
    """Who has acquired them."""
    deadline_ms: int = 0
    """When they may be taken from that member, by the monotonic clock."""

    @property
    def record_count(self) -> int:
        return self.last_offset - self.first_offset + 1

    def says_as(self, other: Range) -> bool:
        return self[2:] == other[2:]


class Ranges:
    """Of offsets that are not in any of them nothing is said."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        """In any order; what comes later counts where they overlap."""
        self._ranges: list[Range] = []
        for each in ranges:
            self.lay(each)

    def __iter__(self) -> Iterator[Range]:
        return iter(self._ranges)

    def __len__(self) -> int:
        return len(self._ranges)

    def within(self, first: int, last: int) -> list[Range]:
        """What is said of offsets from first to last, cut to these."""
        low = bisect_left(self._ranges, first, key=_LAST)
        high = bisect_right(self._ranges, last, key=_FIRST)
        found = self._ranges[low:high]
        if found and found[0].first_offset < first:
            found[0] = found[0]._replace(first_offset=first)
        if found and found[-1].last_offset > last:
            found[-1] = found[-1]._replace(last_offset=last)
        return found

    def lay(self, new: Range) -> None:
        """Say something new of its offsets, whatever was said of them."""
        low = bisect_left(self._ranges, new.first_offset, key=_LAST)
        high = bisect_right(self._ranges, new.last_offset, key=_FIRST)
        pieces = [new]
        if low < high and self._ranges[low].first_offset < new.first_offset:
            pieces.insert(0, self._ranges[low]._replace(last_offset=new.first_offset - 1))
        if low < high and self._ranges[high - 1].last_offset > new.last_offset:
            pieces.append(self._ranges[high - 1]._replace(first_offset=new.last_offset + 1))
        if low > 0:
            low -= 1
            pieces.insert(0, self._ranges[low])
        if high < len(self._ranges):
            pieces.append(self._ranges[high])
            high += 1
        self._ranges[low:high] = _grown_together(pieces)

    def drop_before(self, offset: int) -> None:
        """Say nothing any longer of offsets below that one."""
        low = bisect_left(self._ranges, offset, key=_LAST)
        del self._ranges[:low]
        if self._ranges and self._ranges[0].first_offset < offset:
            self._ranges[0] = self._ranges[0]._replace(first_offset=offset)


def _grown_together(pieces: list[Range]) -> list[Range]:
    grown = pieces[:1]
    for piece in pieces[1:]:
        last = grown[-1]
        if last.last_offset + 1 == piece.first_offset and last.says_as(piece):
            grown[-1] = last._replace(last_offset=piece.last_offset)
        else:
            grown.append(piece)
    return grown
