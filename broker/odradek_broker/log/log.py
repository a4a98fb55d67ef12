"""The log of one partition: append, read, flush, truncate. Plain blocking calls, for one thread.

Invariants
    Offsets from `log_start_offset` up to `log_end_offset` lie in the segments, in order; a new batch gets the latter.
    All below `flushed_offset` is on stable storage for sure; it falls only when the log is truncated, and before that.
    So is all below `recovery_point`, with what is derived of it: a start need not look there. It is never the greater.
    A call that raises OSError has changed nothing that a reader could see.
    Once `failed` is set (a sync has failed), nothing is written any more: only a start from disk tells what is there.

It deliberately does not know: high watermarks (callers bring them), replication, Trio, the time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import BatchHeader, crc_is_valid, iter_headers, stamp
from odradek_broker.log import checkpoints, damage, filenames, reading
from odradek_broker.log.cleaning import LastBatch
from odradek_broker.log.compaction import CompactionPlan, Dirty, find_dirty, is_due
from odradek_broker.log.config import LogConfig
from odradek_broker.log.deleted_files import DeletedFiles
from odradek_broker.log.failures import (
    CorruptCheckpoint,
    CorruptIndex,
    LogFailed,
    OffsetOutOfRange,
    OffsetsOutOfOrder,
    TopicIdMismatch,
)
from odradek_broker.log.file_slice import FileSlice
from odradek_broker.log.flush import FlushPlan, Unsynced
from odradek_broker.log.idempotence import settle
from odradek_broker.log.leader_epochs import LeaderEpochs
from odradek_broker.log.offset_index import MAX_RELATIVE_OFFSET
from odradek_broker.log.producer_state import ProducerBatch, ProducerStates
from odradek_broker.log.recovery import Loaded, Recovery, RecoverySummary
from odradek_broker.log.replay import replay
from odradek_broker.log.retention import deletable_count
from odradek_broker.log.segment import Segment
from odradek_broker.log.segments import Segments
from odradek_broker.log.swap import swap
from odradek_broker.log.timestamps import TimestampOffset
from odradek_broker.log.transaction_index import AbortedTransaction, TransactionIndex
from odradek_broker.log.validation import Origin, Refused, Validated, validate
from odradek_broker.ports.disk import Disk

NO_TIMESTAMP = -1
_NOT_WRITTEN = -1

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


class Log:
    """Made by `open`."""

    def __init__(
        self,
        directory: str,
        disk: Disk,
        config: LogConfig,
        loaded: Loaded,
        log_start_offset: int,
        first_dirty_offset: int,
        compacted_for: int,
        now_ms: int,
    ) -> None:
        self.directory = directory
        self.config = config
        """Replace it at will; it holds from the next call on."""
        self.segments = Segments(loaded.segments)
        self.epochs: LeaderEpochs = loaded.epochs
        self.producers: ProducerStates = loaded.producers
        self.recovery: RecoverySummary | None = loaded.summary
        """What a start without a clean stop found; None after a clean one, if all was as it had been left."""
        self.log_start_offset = max(log_start_offset, self.segments.first.base_offset)
        self.log_end_offset = loaded.log_end_offset
        self.flushed_offset = self.recovery_point = self.log_end_offset
        self.says_whose_it_is = True
        """Also after a power cut."""
        self.failed: str | None = None
        self.is_closed = False
        self.is_deleted = False
        self.first_dirty_offset = min(max(first_dirty_offset, self.log_start_offset), self.log_end_offset)
        """Compaction has been over all before this."""
        self.compacted_for = max(self.first_dirty_offset, min(compacted_for, self.log_end_offset))
        """Records may be gone for the sake of some that lie before this."""
        self._disk = disk
        self._snapshots = loaded.snapshots
        self._unsynced = Unsynced()
        self._truncations = 0
        self._epochs_written = 0
        self._deleted = DeletedFiles()
        self._now_ms = self._active_since_ms = now_ms

    @classmethod
    def open(
        cls,
        directory: str,
        disk: Disk,
        config: LogConfig,
        *,
        topic_id: bytes,
        is_only_one: bool = False,
        may_lack_beginning: bool = False,
        clean: bool,
        recovery_point: int = 0,
        log_start_offset: int = 0,
        first_dirty_offset: int = 0,
        compacted_for: int = 0,
        now_ms: int,
    ) -> Log:
        """Open a log, or begin one where there is none. Raises OSError, TopicIdMismatch.

        `clean` says that the broker stopped cleanly; else the log is recovered from `recovery_point` on. This and the
        next three come from the checkpoints of the log directory. What has been recovered is to be flushed, before
        anybody is told that it is there. `is_only_one`: no other topic's log can ever be in that directory.
        `may_lack_beginning`: a power cut may have taken its first segments, which nobody had synced.
        """
        was_synced = disk.exists(directory) and (clean or recovery_point > 0)
        disk.make_dirs(directory)
        metadata_is_new = _check_topic_id(
            disk, directory, topic_id, was_synced=was_synced, is_known=was_synced or is_only_one
        )
        recovery = Recovery(disk, directory, config, log_start_offset=log_start_offset, now_ms=now_ms)
        loaded = recovery.load(clean=clean, recovery_point=recovery_point)
        first = loaded.segments[0].base_offset
        if may_lack_beginning and loaded.summary is not None and log_start_offset < first:
            loaded.summary.gap_at_offset = log_start_offset
        log = cls(directory, disk, config, loaded, log_start_offset, first_dirty_offset, compacted_for, now_ms)
        if metadata_is_new:
            log.says_whose_it_is = False
            log._unsynced.add_path(os.path.join(directory, filenames.PARTITION_METADATA))
            log._unsynced.add_directory(directory)
        if not was_synced:  # whoever has made the directory may have died before its name was on stable storage
            log._unsynced.add_directory(os.path.dirname(directory))
        if loaded.summary is not None:
            log.flushed_offset = log.recovery_point = min(recovery_point, log.log_end_offset)
            for segment in log.segments.from_offset(log.flushed_offset):
                log._unsynced.add_file(segment.file)
            for path in loaded.written:
                log._unsynced.add_path(path)
            log._unsynced.add_directory(directory)
            log._epochs_written = _NOT_WRITTEN
        else:
            log.release_files()
        return log

    @property
    def size_bytes(self) -> int:
        return self.segments.size_bytes

    # Appending.

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
                batch = records[position : position + header.size_bytes]
                aborted = replay(self.producers, header, base_offset, lambda batch=batch: batch, now_ms)  # type: ignore[misc]
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
        """Seal the active segment and begin another; nothing happens while it is empty. Raises OSError, LogFailed."""
        if self.failed is not None:
            raise LogFailed(self.failed)
        old, offset = self.segments.active, self.log_end_offset
        if old.size_bytes == 0:
            return old
        old.file.truncate(old.size_bytes)  # what a failed append has left behind its end would look torn
        snapshot = self._snapshots.take(offset, self.producers)
        new = Segment.create(self._disk, self.directory, offset, old.index_interval_bytes)
        self._unsynced.add_path(snapshot)
        self._unsynced.add_file(old.file)
        self._unsynced.add_file(new.file)
        self._unsynced.add_directory(self.directory)
        self.segments.append(new)
        self._active_since_ms = now_ms
        self._save_sealed()
        return new

    # Reading.

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

    def assign_leader_epoch(self, epoch: int) -> None:
        """Become leader in an epoch: it begins at the end of the log, be it that nothing is ever appended."""
        self.epochs.assign(epoch, self.log_end_offset)

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

    def _transaction_index_of(self, segment: Segment) -> TransactionIndex:
        """Made anew where it is damaged. Raises OSError."""
        try:
            return segment.transaction_index
        except CorruptIndex as error:
            damage.say(segment.path(filenames.TRANSACTION_INDEX), error)
            index = self._recovery().aborted_transactions_of(segment, list(self.segments), self._snapshots)
            segment.transaction_index = index
            return index

    def remove_expired_producers(self, now_ms: int) -> int:
        """Forget producers that have been silent for `producer_id_expiration_ms`; return how many."""
        return self.producers.remove_expired(now_ms, self.config.producer_id_expiration_ms)

    # Flushing.

    def begin_flush(self) -> FlushPlan:
        """What has to be synced so that all appended so far is safe. Follow with `plan.sync()`, then `end_flush`.

        Raises OSError, LogFailed.
        """
        if self.failed is not None:
            raise LogFailed(self.failed)
        self._save_sealed()
        is_whole = not self.segments.unsaved()
        try:
            self._write_epochs()
        except OSError:
            is_whole = False  # the batches have them too; the next flush tries again
        if self.flushed_offset < self.log_end_offset:
            self._unsynced.add_file(self.segments.active.file)
        return self._unsynced.plan(self._disk, self.log_end_offset, self._truncations, self.fail, is_whole=is_whole)

    def end_flush(self, plan: FlushPlan) -> None:
        """Take the result of a plan that has been synced. Raises LogFailed."""
        if self.failed is not None:
            raise LogFailed(self.failed)
        assert plan.done, "end_flush comes after sync"
        self._unsynced.forget(plan)
        self.says_whose_it_is = True
        if plan.truncations == self._truncations:
            self.flushed_offset = max(self.flushed_offset, plan.offset)
            if plan.is_whole:
                self.recovery_point = max(self.recovery_point, plan.offset)

    def flush(self) -> None:
        """All three steps at once; blocks. Raises OSError, LogFailed."""
        plan = self.begin_flush()
        plan.sync()
        self.end_flush(plan)

    def fail(self, reason: str) -> None:
        """Take nothing more. The first reason stays."""
        if self.failed is None:
            self.failed = reason

    def _save_sealed(self) -> None:
        """Write the indexes of sealed segments; where the disk refuses they stay in memory until the next time."""
        for segment in self.segments.unsaved():
            following = self.segments.after(segment)
            no_start_looks_there = following is not None and following.base_offset < self.recovery_point
            try:
                paths = segment.save(sync=no_start_looks_there)
            except OSError:
                continue
            for path in paths:
                self._unsynced.add_path(path)
            self._unsynced.add_directory(self.directory)

    def _write_epochs(self) -> None:
        if self._epochs_written != self.epochs.version:
            path = os.path.join(self.directory, filenames.LEADER_EPOCHS)
            version = self.epochs.version
            self._disk.replace_file(path, checkpoints.encode_epochs(self.epochs.entries()), sync=False)
            self._epochs_written = version
            self._unsynced.add_path(path)
            self._unsynced.add_directory(self.directory)

    # Cutting the end off.

    def end_if_cut_at(self, offset: int) -> int:
        """Where the log would end after `truncate_to`: a batch that only begins before `offset` goes, too, and so does
        what is damaged. Raises OSError.
        """
        if not self.segments.first.base_offset <= offset < self.log_end_offset:
            return offset
        found = self.segments.at(offset).batch_before_cut(offset)
        return offset if found is None else min(offset, found[1])

    def truncate_to(self, offset: int) -> None:
        """Remove every batch that ends at or behind `offset`. Raises OSError, and then the log has failed."""
        if offset >= self.log_end_offset:
            return
        if offset < self.segments.first.base_offset:
            self.truncate_fully_and_start_at(offset)
            return
        try:
            self._truncate_to(offset)
        except OSError as error:
            self.fail(f"truncation to {offset} failed: {error}")
            raise

    def _truncate_to(self, offset: int) -> None:
        self._claim_at_most(offset)
        segment, *later = self.segments.from_offset(offset)
        for gone in reversed(later):
            gone.remove()
        self.segments.replace(later, [])
        found = segment.batch_before_cut(offset)
        if found is not None:
            offset = min(offset, found[1])
            self._transaction_index_of(segment)
            segment.truncate_to_position(found[0], offset)
        self._unsynced.add_file(segment.file)
        self._end_at(offset)

    def truncate_fully_and_start_at(self, offset: int) -> None:
        """Begin again, empty, at an offset. Raises OSError, and then the log has failed."""
        self._claim_at_most(0)
        try:
            gone = list(self.segments)
            for segment in reversed(gone):
                segment.remove()
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
        self._truncations += 1
        self.flushed_offset = min(self.flushed_offset, offset)
        self.recovery_point = min(self.recovery_point, offset)
        self.first_dirty_offset = min(self.first_dirty_offset, offset)
        self.compacted_for = min(self.compacted_for, offset)

    def _end_at(self, offset: int) -> None:
        """Bring everything that is derived from the batches down to the new end."""
        self._claim_at_most(offset)  # which may lie before the offset that was asked for
        if self.recovery is not None and self.recovery.gap_at_offset >= offset:
            self.recovery.gap_at_offset = -1
        self.log_end_offset = offset
        self.log_start_offset = min(self.log_start_offset, offset)
        self.epochs.truncate_to(offset)
        self._snapshots.remove_after(offset)
        self.producers = self._recovery().producers_at(offset, list(self.segments), self._snapshots)
        for segment in self.segments:
            segment.forget_tally()
        self._unsynced.add_directory(self.directory)

    def _recovery(self) -> Recovery:
        return Recovery(
            self._disk, self.directory, self.config, log_start_offset=self.log_start_offset, now_ms=self._now_ms
        )

    # Cutting the beginning off.

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
        self.segments.replace(gone, [])
        for snapshot in [each for each in self._snapshots.offsets if each < self.segments.first.base_offset]:
            self._snapshots.remove(snapshot)
        self._retire(gone, now_ms)
        return [filenames.segment_file(segment.base_offset, filenames.LOG) for segment in gone]

    def delete_old_segments(self, now_ms: int, high_watermark: int) -> list[str]:
        """Both: begin where retention says, and remove what lies before. Raises OSError, LogFailed."""
        self.advance_log_start(self.retention_offset(now_ms, high_watermark))
        return self.delete_segments_before(self.log_start_offset, now_ms)

    # Compaction.

    def find_dirty(self, now_ms: int, stable_offset: int) -> Dirty | None:
        """What compaction would find up to `stable_offset`, the last stable offset; None where there is nothing."""
        if not self.config.compacts:
            return None
        return find_dirty(
            list(self.segments),
            self.config,
            first_dirty_offset=self.first_dirty_offset,
            stable_offset=min(stable_offset, self.flushed_offset),
            now_ms=now_ms,
        )

    def begin_compaction(self, now_ms: int, stable_offset: int, *, force: bool = False) -> CompactionPlan | None:
        """A plan, where compaction is due (or with `force` where anything is dirty). Raises OSError, LogFailed.

        Then `while plan.step():` `intend`, `install`, and at last `end_compaction`; the steps in any thread.
        """
        if self.failed is not None:
            raise LogFailed(self.failed)
        dirty = self.find_dirty(now_ms, stable_offset)
        if dirty is None or not (force or is_due(dirty, self.config, now_ms)):
            return None
        self._save_sealed()
        return CompactionPlan(
            self._disk,
            dirty,
            self.config,
            aborted=self.aborted_transactions(self.segments.first.base_offset, dirty.end_offset),
            producers={p.producer_id: LastBatch(p.last_offset, p.epoch) for p in self.producers.producers.values()},
            truncations=self._truncations,
            now_ms=now_ms,
        )

    def intend(self, plan: CompactionPlan) -> None:
        """Before each `install`: say for whose sake records go. It has to be on stable storage before they are gone."""
        self.compacted_for = max(self.compacted_for, min(plan.end_offset, self.log_end_offset))

    def install(self, plan: CompactionPlan, now_ms: int) -> bool:
        """Put what a step has written in the place of the old segments; False where these are not there any more.

        Nor is it put there where the log has been cut: records may be gone for the sake of what is cut.
        Then the plan is over. Raises OSError, and then the log has failed; LogFailed.
        """
        assert plan.ready is not None
        if self.failed is not None:
            raise LogFailed(self.failed)
        old, cleaned = plan.ready
        present = {id(segment) for segment in self.segments.sealed}
        if self.has_been_cut_since(plan) or any(id(segment) not in present for segment in old):
            plan.discard()
            return False
        plan.ready = None
        try:
            swap(self._disk, self.directory, cleaned, old)
        except OSError as error:
            self.fail(f"compaction could not put a segment in place: {error}")
            raise
        self.segments.replace(old, [cleaned])
        self._schedule_removal(old, now_ms)
        return True

    def has_been_cut_since(self, plan: CompactionPlan) -> bool:
        """Whether what a step has met as damage may be the place of a cut."""
        return plan.truncations != self._truncations

    def end_compaction(self, plan: CompactionPlan) -> None:
        """Note how far a plan that is done has come."""
        assert plan.done, "end_compaction comes after the last step"
        self.first_dirty_offset = max(self.first_dirty_offset, min(plan.end_offset, self.segments.active.base_offset))

    def compact(self, now_ms: int, stable_offset: int, *, force: bool = False) -> bool:
        """All of it at once; whether anything was due. Blocks. Raises OSError, ProtocolError, LogFailed."""
        plan = self.begin_compaction(now_ms, stable_offset, force=force)
        if plan is None:
            return False
        while plan.step():
            self.intend(plan)
            if not self.install(plan, now_ms):
                return False
        self.end_compaction(plan)
        return True

    # Files on their way out.

    def _retire(self, segments: list[Segment], now_ms: int) -> None:
        """Mark files as deleted, for removal later. What cannot be marked lies there until the next start."""
        for segment in segments:
            segment.rename(filenames.DELETED)
        self._schedule_removal(segments, now_ms)
        self._unsynced.add_directory(self.directory)

    def _schedule_removal(self, segments: list[Segment], now_ms: int) -> None:
        self._deleted.add_segments(segments, now_ms + self.config.file_delete_delay_ms)

    def take_deleted_files(self, now_ms: int) -> list[str]:
        """Paths of files that were marked long enough ago; whoever takes them removes those that are there."""
        return self._deleted.take_due(now_ms)

    def release_files(self) -> None:
        """Close what need not be open; it is opened again when asked for. For logs that lie idle."""
        for segment in self.segments:
            if not segment.unsaved:
                segment.release()

    # The end.

    def take_producer_snapshot(self) -> None:
        """Write the producer state as of now, so that the next start need not replay. Raises OSError."""
        offset = self.log_end_offset
        self._unsynced.add_path(self._snapshots.take(offset, self.producers))
        self._unsynced.add_directory(self.directory)
        self._snapshots.keep_only({offset, *(segment.base_offset for segment in self.segments)})

    def close(self, *, clean: bool) -> None:
        """Let go of all files; when `clean`, write and sync all that a start without recovery needs. Raises OSError.

        A log that has failed, or whose closing fails, must be recovered by the next start.
        """
        try:
            if clean and self.failed is None:
                self._leave_clean()
        finally:
            for segment in self.segments:
                segment.unsaved = False
                segment.release()
            self.is_closed = True
            self.fail("the log is closed")

    def _leave_clean(self) -> None:
        if self.log_end_offset not in self._snapshots.offsets:
            self.take_producer_snapshot()
        for segment in self.segments:
            for path in segment.save():
                self._unsynced.add_path(path)
                self._unsynced.add_directory(self.directory)
        self._write_epochs()
        self.flush()

    def delete(self, mark: str) -> str:
        """Take the log out of use: rename its directory to one marked for removal; return that. Raises OSError.

        `mark` makes the name unique, so that a topic of the same name can be created at once. The new name is on stable
        storage once the directory above is synced.
        """
        self.close(clean=False)
        self.is_deleted = True
        marked = filenames.marked_directory(self.directory, mark, filenames.DELETED_DIRECTORY)
        self._disk.rename(self.directory, marked)
        return marked


def _headers_of(records: memoryview) -> list[tuple[int, BatchHeader]]:
    try:
        return list(iter_headers(records))
    except ProtocolError as error:
        raise OffsetsOutOfOrder(str(error)) from error


def _check_topic_id(disk: Disk, directory: str, topic_id: bytes, *, was_synced: bool, is_known: bool) -> bool:
    """Write the topic's id where there is none yet, and say so. Raises TopicIdMismatch.

    It is synced with the first records. Before that, a power cut may leave the file empty or torn; and it is written
    again, as all that nobody knows to be on stable storage. Records without an id that reads back may be those of an
    earlier topic of the same name, unless it `is_known` otherwise whose they are.
    """
    path = os.path.join(directory, filenames.PARTITION_METADATA)
    try:
        found = checkpoints.decode_partition_metadata(disk.read_file(path)) if disk.exists(path) else None
    except CorruptCheckpoint as error:
        if was_synced:
            damage.say(path, error, f"the checkpoints know it for topic id {topic_id.hex()}, and it is written anew")
        found = None
    if found is not None:
        if found != topic_id:
            raise TopicIdMismatch(f"{directory} belongs to topic id {found.hex()}, not {topic_id.hex()}")
        if was_synced:
            return False
    has_records = _has_records(disk, directory)
    if found is None and not is_known and has_records:
        raise TopicIdMismatch(f"{directory} has records and does not say of which topic")
    # What is there may be all that is on stable storage: a power cut must not find less in its place.
    disk.replace_file(path, checkpoints.encode_partition_metadata(topic_id), sync=found is not None and has_records)
    return True


def _has_records(disk: Disk, directory: str) -> bool:
    names = (name for name in disk.list(directory) if filenames.base_offset_of(name, filenames.LOG) is not None)
    return any(disk.size(os.path.join(directory, name)) for name in names)
