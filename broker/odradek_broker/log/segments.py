"""The segments of a log, in order, and which of the sealed ones are open.

Invariants
    Base offsets rise; there is always at least one segment; the last one is the active one.
    At most KEPT_OPEN sealed segments keep files and indexes open: catching up in many places costs no memory.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from odradek_broker.log.segment import Segment

KEPT_OPEN = 4


class Segments:
    """A list ordered by base offset."""

    __slots__ = ("_base_offsets", "_opened", "_segments", "active", "version")

    def __init__(self, segments: list[Segment]) -> None:
        self._segments = segments
        self._base_offsets = [segment.base_offset for segment in segments]
        self._opened: list[Segment] = segments[:-1]
        self.active = segments[-1]
        """The last: the one that is appended to."""
        self.version = 0
        """Rises whenever some are replaced or removed."""
        self._close_some()

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)

    def __len__(self) -> int:
        return len(self._segments)

    @property
    def first(self) -> Segment:
        return self._segments[0]

    @property
    def sealed(self) -> list[Segment]:
        """All but the active one."""
        return self._segments[:-1]

    @property
    def size_bytes(self) -> int:
        return sum(segment.size_bytes for segment in self._segments)

    def unsaved(self) -> list[Segment]:
        """Sealed segments whose indexes are not on disk yet. All of these are among the opened ones."""
        return [segment for segment in self._opened if segment.unsaved]

    def saved(self) -> list[Segment]:
        """Take note of what has been written of them, and let go of those that need not be open any more.

        Return those that are unsaved still.
        """
        unsaved = self.unsaved()
        if not unsaved:
            return unsaved
        for segment in unsaved:
            segment.saved()
        self._close_some()
        return self.unsaved()

    def append(self, segment: Segment) -> None:
        """Add a new active segment; the one before is sealed."""
        assert segment.base_offset > self.active.base_offset
        self._opened.append(self.active)
        self._segments.append(segment)
        self._base_offsets.append(segment.base_offset)
        self.active = segment
        self._close_some()

    def from_offset(self, offset: int) -> list[Segment]:
        """The segment that `offset` lies in, and all behind it."""
        return self._segments[max(bisect_right(self._base_offsets, offset) - 1, 0) :]

    def at(self, offset: int) -> Segment:
        """The segment that `offset` lies in; the first where it lies before all. It is opened if need be."""
        active = self.active
        if offset >= active.base_offset:
            return active
        return self.opened(self._segments[max(bisect_right(self._base_offsets, offset) - 1, 0)])

    def after(self, segment: Segment) -> Segment | None:
        """The next one, or None behind the active one."""
        index = bisect_right(self._base_offsets, segment.base_offset)
        return self._segments[index] if index < len(self._segments) else None

    def before(self, segment: Segment) -> Segment | None:
        """The one before, opened if need be, or None before the first."""
        index = bisect_right(self._base_offsets, segment.base_offset) - 2
        return self.opened(self._segments[index]) if index >= 0 else None

    def opened(self, segment: Segment) -> Segment:
        """Note that a segment is being used, and let go of the one not used for longest."""
        if segment is not self.active and (not self._opened or self._opened[-1] is not segment):
            if segment in self._opened:
                self._opened.remove(segment)
            self._opened.append(segment)
            self._close_some()
        return segment

    def replace(self, old: list[Segment], new: list[Segment]) -> None:
        """Put others in the place of some (none, to remove them; an active one remains in any case)."""
        self.version += 1
        gone = {id(segment) for segment in old}
        kept = [segment for segment in self._segments if id(segment) not in gone]
        self._segments = sorted([*kept, *new], key=lambda segment: segment.base_offset)
        self._base_offsets = [segment.base_offset for segment in self._segments]
        self._opened = [segment for segment in self._opened if id(segment) not in gone]
        self.active = self._segments[-1]

    def _close_some(self) -> None:
        """Let go of those not used for longest, but for what is only in memory or on its way to its name."""
        if len(self._opened) > KEPT_OPEN:
            unsaved = []
            for segment in self._opened[:-KEPT_OPEN]:
                if segment.may_be_released:
                    segment.release()
                else:
                    unsaved.append(segment)
            self._opened = unsaved + self._opened[-KEPT_OPEN:]
