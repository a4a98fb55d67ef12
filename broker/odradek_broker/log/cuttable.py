"""Cutting the end of a log off, where it parts from its leader's or is damaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from odradek_broker.log.appendable import AppendableLog
from odradek_broker.log.producer_state import ProducerStates
from odradek_broker.log.segment import Segment
from odradek_broker.log.segments import Segments


class ProducersAt(NamedTuple):
    """The state of all producers at an offset behind which a log may be cut."""

    offset: int
    truncations: int
    """How often the log had been truncated when this was looked for: another time its records may be others."""
    states: ProducerStates


class CuttableLog(AppendableLog):
    """Before anything is cut, nothing is claimed of it any more."""

    def end_if_cut_at(self, offset: int) -> int:
        """Where the log would end after `truncate_to`: a batch that only begins before `offset` goes, too, and so does
        what is damaged. Raises OSError.
        """
        if not self.segments.first.base_offset <= offset < self.log_end_offset:
            return offset
        found = self.segments.at(offset).batch_before_cut(offset)
        return offset if found is None else min(offset, found[1])

    def look_for_producers_at(self, offset: int) -> Callable[[], ProducersAt | None]:
        """A look for a worker, as it goes through a segment: what it finds is for `truncate_to`. It raises nothing."""
        segments = [each.walker() for each in self.segments if each.base_offset < offset]
        replay, snapshots, truncations = self._producer_replay(), self._snapshots.reader(), self.truncations

        def look() -> ProducersAt | None:
            if not segments:
                return None
            try:
                states = replay.producers_at(offset, segments, snapshots)
            except OSError:
                return None
            return None if replay.damage.met is not None else ProducersAt(offset, truncations, states)

        return look

    def truncate_to(self, offset: int, ahead: ProducersAt | None = None) -> None:
        """Remove every batch that ends at or behind `offset`. Raises OSError, and then the log has failed.

        `ahead`: what was looked for before; where it is not of the place where the log is cut it is looked for now.
        """
        if offset >= self.log_end_offset:
            return
        if offset < self.segments.first.base_offset:
            self.truncate_fully_and_start_at(offset)
            return
        if ahead is not None and ahead.truncations != self.truncations:
            ahead = None
        try:
            self._truncate_to(offset, ahead)
        except OSError as error:
            self.fail(f"truncation to {offset} failed: {error}")
            raise

    def _truncate_to(self, offset: int, ahead: ProducersAt | None) -> None:
        self._claim_at_most(offset)
        segment, *later = self.segments.from_offset(offset)
        for gone in reversed(later):
            gone.remove()
        self.segments.replace(later, [])
        segment.forget_unsaved()  # it is written to again
        segment.unsaved = True
        found = segment.batch_before_cut(offset)
        if found is not None:
            offset = min(offset, found[1])
            self._transaction_index_of(segment)
            segment.truncate_to_position(found[0], offset)
        self._unsynced.add_file(segment.file)
        self._end_at(offset, ahead)

    def truncate_fully_and_start_at(self, offset: int) -> None:
        """Begin again, empty, at an offset. Raises OSError, and then the log has failed."""
        self._claim_at_most(0)
        try:
            gone = list(self.segments)
            for segment in reversed(gone):
                segment.remove()
            self._snapshots.forget_owed()
            new = Segment.create(self._disk, self.directory, offset, self.config.index_interval_bytes)
        except OSError as error:
            self.fail(f"truncation to an empty log at {offset} failed: {error}")
            raise
        self.segments = Segments([new])
        self._snapshots.keep_only(set())
        self.log_start_offset = offset
        self.epochs.clear()
        self._end_at(offset)

    def _claim_at_most(self, offset: int) -> None:
        """Before anything is cut: should that fail half-way, nothing is said of what may be gone."""
        self.truncations += 1
        self.flushed_offset = min(self.flushed_offset, offset)
        self.recovery_point = min(self.recovery_point, offset)
        self.first_dirty_offset = min(self.first_dirty_offset, offset)
        self.compacted_for = min(self.compacted_for, offset)

    def _end_at(self, offset: int, ahead: ProducersAt | None = None) -> None:
        """Bring everything that is derived from the batches down to the new end."""
        self._claim_at_most(offset)  # which may lie before the offset that was asked for
        if self.recovery is not None and self.recovery.gap_at_offset >= offset:
            self.recovery.gap_at_offset = -1
        self.log_end_offset = offset
        self.log_start_offset = min(self.log_start_offset, offset)
        self.epochs.truncate_to(offset)
        self._snapshots.remove_after(offset)
        if ahead is not None and ahead.offset == offset:
            self.producers = ahead.states
        else:
            self.producers = self._producer_replay().producers_at(offset, list(self.segments), self._snapshots)
        for segment in self.segments:
            segment.forget_tally()
        self._unsynced.add_directory(self.directory)
