"""From the bytes in a directory to the state of a log.

After a clean stop everything is as it was left: nothing is read but the end of the last segment and a few small files.
After any other, whatever lies behind the recovery point may be torn, and is walked through:

    - The log ends before the first batch that is not sound; what follows is cut off, later segments and all.
      A segment that does not begin where the one before it ends is as bad: something between them is lost.
    - Checksums are verified from the recovery point on. What lies before it had been synced; there the headers are
      walked, because indexes and producer state of that segment are built anew.
    - Doing it again changes nothing, and a crash in the midst of it only means doing it again.

Kafka: LogLoader, LogSegment.recover.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from odradek.protocol.records.batch import BatchHeader
from odradek_broker.log import checkpoints, filenames, offset_index
from odradek_broker.log.config import LogConfig
from odradek_broker.log.failures import CorruptCheckpoint
from odradek_broker.log.leader_epochs import LeaderEpochs
from odradek_broker.log.producer_state import ProducerStates
from odradek_broker.log.replay import replay
from odradek_broker.log.scan import Scan
from odradek_broker.log.segment import Segment, read_end
from odradek_broker.log.snapshots import Snapshots
from odradek_broker.log.swap import tidy
from odradek_broker.log.transaction_index import AbortedTransaction, TransactionIndex
from odradek_broker.ports.disk import Disk


@dataclass
class RecoverySummary:
    """What a start without a clean stop found."""

    recovery_point: int
    scanned_segments: int = 0
    scanned_bytes: int = 0
    cut_at_offset: int = -1
    """Where the log ends because the rest was cut; -1 where nothing was."""
    cut_bytes: int = 0
    cut_segments: int = 0
    """Later segments, removed whole."""
    reason: str = ""

    def __str__(self) -> str:
        """One line for the operator."""
        scanned = f"scanned {self.scanned_bytes} bytes in {self.scanned_segments} segments"
        if self.cut_at_offset < 0:
            return f"{scanned}, nothing was cut"
        where = f"cut {self.cut_bytes} bytes and {self.cut_segments} later segments at offset {self.cut_at_offset}"
        synced = f", BELOW the recovery point {self.recovery_point}" if self.cut_at_offset < self.recovery_point else ""
        return f"{scanned}, {where}{synced}: {self.reason}"


@dataclass
class Loaded:
    """A log's state as it was found, or made."""

    segments: list[Segment]
    snapshots: Snapshots
    epochs: LeaderEpochs
    log_end_offset: int = 0
    producers: ProducerStates = field(default_factory=ProducerStates)
    summary: RecoverySummary | None = None


class Recovery:
    """One start of one log. All methods raise OSError."""

    def __init__(self, disk: Disk, directory: str, config: LogConfig, *, log_start_offset: int, now_ms: int) -> None:
        self._disk = disk
        self._directory = directory
        self._config = config
        self._log_start_offset = log_start_offset
        self._now_ms = now_ms

    def load(self, *, clean: bool, recovery_point: int) -> Loaded:
        """Open a directory that exists."""
        names = tidy(self._disk, self._directory)
        segments = self._find_segments(names)
        snapshots = Snapshots(self._disk, self._directory, names)
        epochs = self._read_epochs()
        loaded = Loaded(segments, snapshots, epochs or LeaderEpochs())
        end = self._clean_end(segments[-1]) if clean else None
        if end is not None:
            loaded.log_end_offset = end
            loaded.producers = self.producers_at(end, segments, snapshots)
        else:
            self._recover(loaded, segments[-1].base_offset if clean else recovery_point)
        if loaded.log_end_offset < self._log_start_offset:
            self._start_over(loaded)
        if epochs is None:
            self._rebuild_epochs(loaded)
        loaded.epochs.truncate_to(loaded.log_end_offset)
        loaded.epochs.advance_start(self._log_start_offset)
        return loaded

    def producers_at(self, offset: int, segments: list[Segment], snapshots: Snapshots) -> ProducerStates:
        """The producer state at an offset: that of the newest snapshot before it, and the batches since."""
        start, producers = snapshots.load_newest(offset, self._now_ms)
        states = ProducerStates(producers)
        ends = [*(segment.base_offset for segment in segments[1:]), offset]
        for segment, end in zip(segments, ends, strict=True):
            if start < end and segment.base_offset < offset:
                self._replay_segment(states, segment, start, offset)
        return states

    def aborted_transactions_of(
        self, segment: Segment, segments: list[Segment], snapshots: Snapshots
    ) -> TransactionIndex:
        """A segment's transaction index anew, from the producer state at its beginning and its batches."""
        states = self.producers_at(segment.base_offset, segments, snapshots)
        return TransactionIndex(self._replay_segment(states, segment, segment.base_offset, 2**63 - 1))

    # A clean start.

    def _find_segments(self, names: list[str]) -> list[Segment]:
        offsets = [filenames.base_offset_of(name, filenames.LOG) for name in names]
        segments = [self._segment(offset) for offset in sorted(offset for offset in offsets if offset is not None)]
        return segments or [self._new_segment(self._log_start_offset)]

    def _segment(self, base_offset: int) -> Segment:
        size = self._disk.size(os.path.join(self._directory, filenames.segment_file(base_offset, filenames.LOG)))
        return Segment(self._disk, self._directory, base_offset, size, self._config.index_interval_bytes)

    def _new_segment(self, base_offset: int) -> Segment:
        return Segment.create(self._disk, self._directory, base_offset, self._config.index_interval_bytes)

    def _clean_end(self, segment: Segment) -> int | None:
        """The end of the log, by the last entry of the index and the few batches behind; None where these disagree."""
        if segment.size_bytes == 0:
            return segment.base_offset
        try:
            entry = read_end(self._disk, segment.path(filenames.OFFSET_INDEX), offset_index.ENTRY_BYTES)
        except FileNotFoundError:
            return None
        position = offset_index.decode_last_position(entry)
        scan = Scan(segment.file, position, segment.size_bytes, next_offset=segment.base_offset)
        for _ in scan:
            pass
        return scan.next_offset if scan.fault is None and scan.position == segment.size_bytes else None

    def _read_epochs(self) -> LeaderEpochs | None:
        """None where the file is missing or damaged."""
        try:
            data = self._disk.read_file(os.path.join(self._directory, filenames.LEADER_EPOCHS))
            return LeaderEpochs(checkpoints.decode_epochs(data))
        except (FileNotFoundError, CorruptCheckpoint):
            return None

    # Any other start.

    def _recover(self, loaded: Loaded, recovery_point: int) -> None:
        """Walk the segments from the one that holds the recovery point to the end, or to the first fault."""
        segments, snapshots = loaded.segments, loaded.snapshots
        first = max((i for i, segment in enumerate(segments) if segment.base_offset <= recovery_point), default=0)
        start = segments[first].base_offset
        summary = loaded.summary = RecoverySummary(recovery_point)
        snapshots.remove_after(start)
        loaded.producers = self.producers_at(start, segments[: first + 1], snapshots)
        loaded.epochs.truncate_to(start)
        loaded.log_end_offset = start
        for index in range(first, len(segments)):
            segment = segments[index]
            if segment.base_offset != loaded.log_end_offset:
                self._cut(loaded, index - 1, None, f"no batches from there to offset {segment.base_offset}")
                return
            if index > first:
                snapshots.take(segment.base_offset, loaded.producers)
            scan = self._rescan(loaded, segment, recovery_point)
            summary.scanned_segments += 1
            summary.scanned_bytes += scan.position
            if scan.fault is not None:
                self._cut(loaded, index, scan.position, scan.fault)
                return

    def _rescan(self, loaded: Loaded, segment: Segment, recovery_point: int) -> Scan:
        """Build indexes, producer state and epochs from one segment, as far as it is sound."""
        segment.start_empty()
        scan = segment.scan(check_crc_from_offset=recovery_point)
        for position, header in scan:
            segment.note(position, header, header.last_offset)
            loaded.epochs.assign(header.partition_leader_epoch, header.base_offset)
            if header.producer_id >= 0:
                aborted = self._replay(loaded.producers, segment, position, header)
                if aborted is not None:
                    segment.transaction_index.append(aborted)
        segment.complete_time_index()
        loaded.log_end_offset = scan.next_offset
        return scan

    def _cut(self, loaded: Loaded, index: int, position: int | None, reason: str) -> None:
        """End the log in that segment, at that position or where it ends anyway; the last goes first."""
        summary = loaded.summary
        assert summary is not None
        for later in reversed(loaded.segments[index + 1 :]):
            summary.cut_bytes += later.size_bytes
            summary.cut_segments += 1
            later.remove()
        del loaded.segments[index + 1 :]
        if position is not None:
            segment = loaded.segments[index]
            summary.cut_bytes += segment.size_bytes - position
            segment.file.truncate(position)
            segment.size_bytes = position
        summary.cut_at_offset = loaded.log_end_offset
        summary.reason = reason

    def _start_over(self, loaded: Loaded) -> None:
        """All that is left lies before the start of the log: begin there, empty."""
        for segment in reversed(loaded.segments):
            segment.remove()
        loaded.snapshots.keep_only(set())
        loaded.segments[:] = [self._new_segment(self._log_start_offset)]
        loaded.producers = ProducerStates()
        loaded.epochs.clear()
        loaded.log_end_offset = self._log_start_offset

    def _rebuild_epochs(self, loaded: Loaded) -> None:
        loaded.epochs.clear()
        for segment in loaded.segments:
            for _, header in segment.scan():
                loaded.epochs.assign(header.partition_leader_epoch, header.base_offset)
        loaded.epochs.version += 1

    # Replay.

    def _replay_segment(
        self, states: ProducerStates, segment: Segment, start: int, end: int
    ) -> list[AbortedTransaction]:
        """Note the batches of a segment that lie from `start` up to `end`."""
        found = segment.find(start) if start > segment.base_offset else (0, 0)
        aborted = []
        for position, header in segment.scan(found[0] if found else segment.size_bytes):
            if header.base_offset >= end:
                break
            if header.producer_id >= 0 and header.base_offset >= start:
                ended = self._replay(states, segment, position, header)
                if ended is not None:
                    aborted.append(ended)
        return aborted

    def _replay(
        self, states: ProducerStates, segment: Segment, position: int, header: BatchHeader
    ) -> AbortedTransaction | None:
        size = header.size_bytes
        return replay(states, header, header.base_offset, lambda: segment.file.read(position, size), self._now_ms)
