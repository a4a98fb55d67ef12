"""Appending to a log, as a leader or as a follower, and rolling: the end of one segment is another's beginning."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import BatchHeader, crc_is_valid, iter_headers, stamp
from odradek_broker.log.failures import (
    LogFailed,
    OffsetsOutOfOrder,
)
from odradek_broker.log.flushable import FlushableLog
from odradek_broker.log.idempotence import settle
from odradek_broker.log.offset_index import MAX_RELATIVE_OFFSET
from odradek_broker.log.producer_state import ProducerBatch
from odradek_broker.log.replay import replay
from odradek_broker.log.segment import Segment
from odradek_broker.log.validation import Origin, Refused, Validated, validate

NO_TIMESTAMP = -1


Placed = list[tuple[int, BatchHeader, int]]
"""Batches in a buffer: position, header, and the base offset in the log (the header may still have the producer's)."""


class Appended(NamedTuple):
    """What became of a leader's append."""

    base_offset: int
    last_offset: int
    log_append_time_ms: int
    """-1 unless the topic's timestamps are LogAppendTime."""
    log_start_offset: int
    duplicate: bool = False
    """The batch was in the log already; the offsets are the original's."""


class AppendableLog(FlushableLog):
    """A call that raises OSError has changed nothing that a reader could see."""

    def append_as_leader(
        self,
        records: memoryview,
        *,
        leader_epoch: int,
        now_ms: int,
        origin: Origin = Origin.CLIENT,
        validated: Validated | None = None,
    ) -> Appended | Refused:
        """Give batches the next offsets, stamp them in place, and write them.

        A buffer that cannot be written to is copied. `validated`: what came of their validation, where that was made
        beforehand; by another configuration than holds now it counts for nothing. Raises OSError, LogFailed.
        """
        if self.failed is not None:
            raise LogFailed(self.failed)
        if records.readonly:
            records = memoryview(bytearray(records))
        assert leader_epoch >= self.epochs.latest, f"leader epoch {leader_epoch} after {self.epochs.latest}"
        config = self.config
        if validated is not None and validated.config is config:
            valid, now_ms = validated.outcome, validated.now_ms
        else:
            valid = validate(records, config, origin, now_ms)
        if isinstance(valid, Refused):
            return valid
        records, batches = valid
        for position, header in batches:
            if header.producer_id >= 0:
                settled = settle(self.producers, self.segments, records, position, header, origin)
                if isinstance(settled, ProducerBatch):
                    return self._duplicate_of(settled)
                if settled is not None:
                    return settled
        base_offset = next_offset = self.log_end_offset
        placed = []
        for position, header in batches:
            stamp(records, position, next_offset, leader_epoch)
            placed.append((position, header, next_offset))
            next_offset += header.last_offset_delta + 1
        self._write(records, placed, leader_epoch, now_ms)
        append_time_ms = now_ms if config.log_append_time else NO_TIMESTAMP
        return Appended(base_offset, next_offset - 1, append_time_ms, self.log_start_offset)

    def append_as_follower(self, records: memoryview, *, now_ms: int) -> None:
        """Write a leader's batches as they are; a partial one at the end is left out.

        Raises OffsetsOutOfOrder where they do not follow on the end of the log or are damaged, OSError, LogFailed.
        """
        if self.failed is not None:
            raise LogFailed(self.failed)
        placed = []
        next_offset, end = self.log_end_offset, 0
        for position, header in _headers_of(records):
            if header.base_offset < next_offset or header.last_offset_delta < 0:
                raise OffsetsOutOfOrder(f"batch at offset {header.base_offset} where {next_offset} is the end")
            if not crc_is_valid(records, position, header):
                raise OffsetsOutOfOrder(f"the batch at offset {header.base_offset} does not match its checksum")
            placed.append((position, header, header.base_offset))
            next_offset, end = header.next_offset, position + header.size_bytes
        if next_offset - 1 - self.log_end_offset > MAX_RELATIVE_OFFSET:
            raise OffsetsOutOfOrder(
                f"a gap from offset {self.log_end_offset} to {next_offset - 1} is wider than a segment"
            )
        if placed:
            self._write(records[:end], placed, None, now_ms)

    def beginning_of(self, records: memoryview) -> int | None:
        """Where a leader's first batch begins, if this log is empty and begins in the midst of it; else None.

        Records were deleted up to there, and a batch is taken whole or not at all: the log has to begin with it.
        """
        if self.log_start_offset < self.log_end_offset:
            return None
        try:
            _, header = next(iter_headers(records))
        except (StopIteration, ProtocolError):
            return None
        return header.base_offset if header.base_offset < self.log_end_offset < header.next_offset else None

    def _duplicate_of(self, original: ProducerBatch) -> Appended:
        append_time_ms = original.timestamp if self.config.log_append_time else NO_TIMESTAMP
        return Appended(
            original.base_offset, original.last_offset, append_time_ms, self.log_start_offset, duplicate=True
        )

    def _write(self, records: memoryview, placed: Placed, leader_epoch: int | None, now_ms: int) -> None:
        """Write batches and note them in all that is derived from them. `leader_epoch` None: each its own."""
        _, last, last_base_offset = placed[-1]
        next_offset = last_base_offset + last.last_offset_delta + 1
        segment = self._segment_for(len(records), next_offset - 1, placed[0][1].max_timestamp, now_ms)
        start = segment.append(records)
        self.log_end_offset = next_offset
        self._now_ms = now_ms
        for position, header, base_offset in placed:
            last_offset = base_offset + header.last_offset_delta
            segment.note(start + position, header, last_offset)
            epoch = header.partition_leader_epoch if leader_epoch is None else leader_epoch
            if epoch != self.epochs.latest:
                self.epochs.assign(epoch, base_offset)
            if header.producer_id >= 0:
                batch = partial(_part, records, position, header.size_bytes)
                aborted = replay(self.producers, header, base_offset, batch, now_ms)
                if aborted is not None:
                    segment.transaction_index.append(aborted)

    def _segment_for(self, size_bytes: int, last_offset: int, max_timestamp: int, now_ms: int) -> Segment:
        """The active segment, a new one if need be."""
        segment, config = self.segments.active, self.config
        if not segment.is_ready:
            self._transaction_index_of(segment)
            segment.make_ready(self.log_end_offset)
        if segment.size_bytes and (
            segment.size_bytes + size_bytes > config.segment_bytes
            or self._age_ms(segment, max_timestamp, now_ms) > config.roll_ms
            or last_offset - segment.base_offset > MAX_RELATIVE_OFFSET
            or segment.has_full_index(config.segment_index_bytes)
        ):
            return self.roll(now_ms)
        return segment

    def _age_ms(self, segment: Segment, timestamp: int, now_ms: int) -> int:
        """By the timestamps of batches; where the first has none, by the clock."""
        first_timestamp = segment.first_timestamp
        return timestamp - first_timestamp if first_timestamp >= 0 else now_ms - self._active_since_ms

    def roll(self, now_ms: int) -> Segment:
        """Seal the active segment and begin another; nothing happens while it is empty. Raises OSError, LogFailed.

        What is derived of the sealed one the next flush writes; until then `owes_files`.
        """
        if self.failed is not None:
            raise LogFailed(self.failed)
        old, offset = self.segments.active, self.log_end_offset
        if old.size_bytes == 0:
            return old
        old.file.truncate(old.size_bytes)  # what a failed append has left behind its end would look torn
        new = Segment.create(self._disk, self.directory, offset, old.index_interval_bytes)
        self._unsynced.add_file(old.file)
        self._unsynced.add_file(new.file)
        self._unsynced.add_directory(self.directory)
        if old.unsaved:
            old.complete_time_index()
        self._snapshots.owe(offset, self.producers)
        self.segments.append(new)
        self.owes_files = True
        self._active_since_ms = now_ms
        return new

    def assign_leader_epoch(self, epoch: int) -> None:
        """Become leader in an epoch: it begins at the end of the log, be it that nothing is ever appended."""
        self.epochs.assign(epoch, self.log_end_offset)


def _headers_of(records: memoryview) -> list[tuple[int, BatchHeader]]:
    try:
        return list(iter_headers(records))
    except ProtocolError as error:
        raise OffsetsOutOfOrder(str(error)) from error


def _part(records: memoryview, position: int, size_bytes: int) -> memoryview:
    return records[position : position + size_bytes]
