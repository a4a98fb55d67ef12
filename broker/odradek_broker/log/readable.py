"""Reading a log: batches, offsets by time and by epoch, and transactions that were aborted."""

from __future__ import annotations

from collections.abc import Iterator

from odradek.protocol.records.batch import BatchHeader
from odradek_broker.log import reading
from odradek_broker.log.failures import (
    OffsetOutOfRange,
)
from odradek_broker.log.file_slice import FileSlice
from odradek_broker.log.state import LogState
from odradek_broker.log.timestamps import TimestampOffset
from odradek_broker.log.transaction_index import AbortedTransaction


class ReadableLog(LogState):
    """Nothing here changes what is in it."""

    def read(
        self, offset: int, max_bytes: int, *, max_offset: int | None = None, min_one: bool = True
    ) -> FileSlice | None:
        """Whole batches from the one that holds `offset` on, up to, not with, `max_offset`; None where there are none.

        At most `max_bytes`, but with `min_one` at least one batch. Raises OffsetOutOfRange, OSError.
        """
        log_end_offset = self.log_end_offset
        if offset < self.log_start_offset or offset > log_end_offset:
            raise OffsetOutOfRange(offset, self.log_start_offset, log_end_offset)
        if max_offset is None or max_offset > log_end_offset:
            max_offset = log_end_offset
        if offset >= max_offset:
            return None
        limit = None if max_offset == log_end_offset else max_offset
        return reading.read(self.segments, offset, max_bytes, limit, min_one=min_one)

    def young_batches(self, timestamp: int, max_offset: int) -> Iterator[tuple[bytes, BatchHeader] | None]:
        """What a look-up by time has to look into, step by step (reading.py). Raises OSError."""
        return reading.young_batches(self.segments, timestamp, self.log_start_offset, max_offset)

    def offset_for_timestamp(self, timestamp: int, max_offset: int | None = None) -> TimestampOffset | None:
        """The first record that is as young as `timestamp`, if there is one before `max_offset`."""
        limit = self.log_end_offset if max_offset is None else max_offset
        return reading.first_as_young_as(self.segments, timestamp, self.log_start_offset, limit)

    def max_timestamp_offset(self) -> TimestampOffset | None:
        """The first of the youngest records, or None where no record has a timestamp."""
        timestamp = self.max_timestamp()
        return None if timestamp < 0 else self.offset_for_timestamp(timestamp)

    def max_timestamp(self) -> int:
        """That of the youngest record, or -1 where no record has one."""
        return max(segment.largest_timestamp for segment in self.segments.from_offset(self.log_start_offset))

    def end_offset_for_epoch(self, epoch: int) -> tuple[int, int]:
        """The greatest known epoch at or below `epoch` and the offset where it ends; (-1, -1) where unknown."""
        return self.epochs.end_offset_for(epoch, self.log_end_offset)

    # Transactions.

    def last_stable_offset(self, high_watermark: int) -> int:
        """Where a consumer that reads only what is committed has to stop."""
        unstable = self.producers.first_unstable_offset(high_watermark)
        return high_watermark if unstable is None else min(max(unstable, self.log_start_offset), high_watermark)

    def aborted_transactions(self, from_offset: int, to_offset: int) -> list[AbortedTransaction]:
        """Those that touch the offsets from `from_offset` up to, not with, `to_offset`."""
        aborted: list[AbortedTransaction] = []
        for segment in self.segments.from_offset(from_offset):
            index = self._transaction_index_of(self.segments.opened(segment))
            found, is_complete = index.collect(from_offset, to_offset)
            aborted += found
            if is_complete:
                break
        return aborted

    def aborted_in(self, offset: int, found: FileSlice, to_offset: int) -> list[AbortedTransaction]:
        """Those that touch what a read from `offset` on has found, of all up to `to_offset`. Raises OSError."""
        aborted = self.aborted_transactions(offset, to_offset)
        if not aborted:
            return aborted
        end = self._offset_behind(found)
        return [transaction for transaction in aborted if transaction.first_offset < end]

    def _offset_behind(self, found: FileSlice) -> int:
        """Where the first batch begins that lies behind a slice."""
        segment = self.segments.at(found.segment_base_offset)
        end = found.position + found.length
        if end < segment.size_bytes:
            return segment.header_at(end).base_offset
        following = self.segments.after(segment)
        return self.log_end_offset if following is None else following.base_offset
