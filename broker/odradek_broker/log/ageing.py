"""Cutting the beginning of a log off: what was deleted, and what has outlived its retention."""

from __future__ import annotations

from odradek_broker.log import filenames
from odradek_broker.log.cuttable import CuttableLog
from odradek_broker.log.failures import (
    OffsetOutOfRange,
)
from odradek_broker.log.retention import deletable_count
from odradek_broker.log.segment import Segment


class AgeingLog(CuttableLog):
    """`log_start_offset` rises first; files go afterwards."""

    def advance_log_start(self, offset: int) -> None:
        """Nothing before `offset` is read any more; the space is freed with the next pass of retention (DeleteRecords).

        Raises OffsetOutOfRange where the log does not reach that far.
        """
        if offset > self.log_end_offset:
            raise OffsetOutOfRange(offset, self.log_start_offset, self.log_end_offset)
        if offset > self.log_start_offset:
            self.log_start_offset = offset
            self.first_dirty_offset = max(self.first_dirty_offset, offset)
            self.epochs.advance_start(offset)

    def retention_offset(self, now_ms: int, high_watermark: int) -> int:
        """Where the log will begin once the segments are gone that have outlived retention. Raises OSError."""
        segments = list(self.segments)
        count = deletable_count(
            segments,
            self.config,
            log_start_offset=self.log_start_offset,
            log_end_offset=self.log_end_offset,
            high_watermark=high_watermark,
            now_ms=now_ms,
        )
        return (
            self.log_end_offset if count == len(segments) else max(self.log_start_offset, segments[count].base_offset)
        )

    def delete_segments_before(self, offset: int, now_ms: int) -> list[str]:
        """Remove the segments that lie wholly before an offset, at most the log's start; return their files' names.

        The files are marked `.deleted` and go for good `file_delete_delay_ms` later. A power cut may bring some of them
        back, and not all: so a start should know by then that the log begins behind them. Raises OSError, LogFailed.
        """
        assert offset <= self.log_start_offset, "what is deleted is not read any more"
        segments = list(self.segments)
        ends = [*(segment.base_offset for segment in segments[1:]), self.log_end_offset]
        gone = [segment for segment, end in zip(segments, ends, strict=True) if end <= offset and segment.size_bytes]
        if not gone:
            return []
        if len(gone) == len(segments):
            self.roll(now_ms)
        gone = self._dispensable(gone)
        self.segments.replace(gone, [])
        self._snapshots.remove_before(self.segments.first.base_offset)
        self._retire(gone, now_ms)
        return [filenames.segment_file(segment.base_offset, filenames.LOG) for segment in gone]

    def _dispensable(self, gone: list[Segment]) -> list[Segment]:
        """Those that may go, producers included: a snapshot tells of these. Raises OSError where none may.

        Where the disk is full none can be written, and so the last of them stay; the others make room.
        """
        following = {segment: self.segments.after(segment) for segment in gone}
        ends = {segment: end.base_offset for segment, end in following.items() if end is not None}
        try:
            written = self._snapshots.write_one_from(max(ends.values()))
        except OSError:
            known = max(self._snapshots.offsets, default=-1)
            if not (gone := [segment for segment in gone if ends[segment] <= known]):
                raise
            return gone
        if written is not None:
            self._unsynced.add_path(written)
        return gone

    def delete_old_segments(self, now_ms: int, high_watermark: int) -> list[str]:
        """Both: begin where retention says, and remove what lies before. Raises OSError, LogFailed."""
        self.advance_log_start(self.retention_offset(now_ms, high_watermark))
        return self.delete_segments_before(self.log_start_offset, now_ms)

    def remove_expired_producers(self, now_ms: int) -> int:
        """Forget producers that have been silent for `producer_id_expiration_ms`; return how many."""
        return self.producers.remove_expired(now_ms, self.config.producer_id_expiration_ms)
