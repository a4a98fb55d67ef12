"""After a stop that was not clean: how far the segments behind the recovery point are sound (see recovery.py)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from odradek.protocol.records.batch import BatchHeader
from odradek_broker.log import filenames
from odradek_broker.log.config import LogConfig
from odradek_broker.log.leader_epochs import NO_EPOCH
from odradek_broker.log.loaded import Loaded, RecoverySummary
from odradek_broker.log.producer_replay import ProducerReplay
from odradek_broker.log.segment import Segment
from odradek_broker.log.segment_end import end_offset_of

_WRITE_BYTES = 1024 * 1024


@dataclass
class _Walk:
    """How far a segment is sound."""

    next_offset: int
    leader_epoch: int
    """Of the last batch."""
    position: int = 0
    """Where it is cut, or ends."""
    fault: str | None = None
    doubtful: int | None = None
    """The position of the first batch that may not be on stable storage."""

    @property
    def doubtful_from(self) -> int:
        return self.position if self.doubtful is None else self.doubtful


def _is_disputed(header: BatchHeader, end: int, contradicted_by: int | None, recovery_point: int) -> bool:
    """Whether a batch may be the wrong one of two, where the next, which had been synced, does not follow on it.

    `end`: where the batches before it end. If it follows on them and ends where all had been synced, then it is the
    next that is wrong, left from before a cut.
    """
    if contradicted_by is None or contradicted_by >= recovery_point:
        return False
    return header.next_offset < recovery_point or header.base_offset > end


class UncleanStart:
    """Brings `loaded` to where the log ends, and tells `summary` how. All methods raise OSError."""

    def __init__(
        self,
        loaded: Loaded,
        summary: RecoverySummary,
        config: LogConfig,
        producer_replay: ProducerReplay,
        *,
        log_start_offset: int,
    ) -> None:
        self._loaded = loaded
        self._summary = summary
        self._config = config
        self._producer_replay = producer_replay
        self._log_start_offset = log_start_offset

    def recover(self, from_offset: int) -> None:
        """Walk the segments from the one that holds the record before an offset to the end, or to the first fault.

        One that ends there is walked, too: its indexes may have been written no earlier than the next was begun. But
        none that lies before the start of the log: of those a power cut may have brought some back.
        """
        loaded, summary = self._loaded, self._summary
        segments, snapshots = loaded.segments, loaded.snapshots
        from_offset = max(from_offset, self._log_start_offset + 1)
        first = max((i for i, segment in enumerate(segments) if segment.base_offset < from_offset), default=0)
        start = segments[first].base_offset
        if not self._config.compacts:
            summary.gap_at_offset = self._first_gap(segments[: first + 1])
        snapshots.remove_after(start)
        loaded.producers = self._producer_replay.producers_at(start, segments[: first + 1], snapshots)
        loaded.epochs.truncate_to(start)
        loaded.log_end_offset, epoch = start, NO_EPOCH
        for index in range(first, len(segments)):
            segment = segments[index]
            if segment.base_offset != loaded.log_end_offset:
                reason = f"no batches from there to offset {segment.base_offset}"
                self._cut(index - 1, None, reason)
                break
            if index > first:
                loaded.written.append(snapshots.take(segment.base_offset, loaded.producers))
            walk = self._rescan(segment, epoch)
            epoch = walk.leader_epoch
            summary.scanned_segments += 1
            summary.scanned_bytes += walk.position
            if walk.fault is not None and _is_complete(segments, index, walk.next_offset):
                segment.file.truncate(walk.position)
                segment.size_bytes, walk.fault = walk.position, None
            if walk.fault is not None:
                self._cut(index, walk.position, walk.fault)
            _write_again(segment, walk.doubtful_from)
            if walk.fault is not None:
                break

    def _rescan(self, segment: Segment, leader_epoch: int) -> _Walk:
        """Build indexes, producer state and epochs from one segment, as far as it is sound.

        `leader_epoch`: that of the batches walked before. (The file of leader epochs has no checksum; nothing is cut
        because of what it says.)
        A batch is taken once it is known what follows it: the checksum covers neither offsets nor leader epochs.
        """
        segment.start_empty()
        recovery_point = self._summary.recovery_point
        scan = segment.scan(verify=True, leader_epoch=leader_epoch)
        walk = _Walk(next_offset=segment.base_offset, leader_epoch=leader_epoch)
        held: tuple[int, BatchHeader] | None = None
        for position, header in scan:
            if held is not None:
                self._take(segment, walk, *held)
            held = None
            if walk.next_offset < recovery_point < header.next_offset and (
                header.base_offset < recovery_point or not self._config.compacts
            ):
                walk.position = position
                walk.fault = f"no batch ends at offset {recovery_point}, up to which all had been synced"
                break
            held = position, header
        else:
            walk.position, walk.fault = scan.position, scan.fault
            if held is not None:
                if _is_disputed(held[1], walk.next_offset, scan.contradicted_by, recovery_point):
                    walk.position = held[0]
                else:
                    self._take(segment, walk, *held)
        segment.complete_time_index()
        self._loaded.log_end_offset = walk.next_offset
        return walk

    def _take(self, segment: Segment, walk: _Walk, position: int, header: BatchHeader) -> None:
        if walk.doubtful is None and header.last_offset >= self._summary.recovery_point:
            walk.doubtful = position
        walk.next_offset = header.next_offset
        walk.leader_epoch = max(header.partition_leader_epoch, walk.leader_epoch)
        segment.note(position, header, header.last_offset)
        self._loaded.epochs.assign(header.partition_leader_epoch, header.base_offset)
        if header.producer_id >= 0:
            aborted = self._producer_replay.note(self._loaded.producers, segment, position, header)
            if aborted is not None:
                segment.transaction_index.append(aborted)

    def _first_gap(self, segments: list[Segment]) -> int:
        """Where the batches of a segment end before the next begins; -1 where they follow on one another."""
        for segment, following in pairwise(segments):
            if following.base_offset > self._log_start_offset and end_offset_of(segment) != following.base_offset:
                return end_offset_of(segment)
        return -1

    def _cut(self, index: int, position: int | None, reason: str) -> None:
        """End the log in that segment, at that position or where it ends anyway; the last goes first."""
        loaded, summary = self._loaded, self._summary
        for later in reversed(loaded.segments[index + 1 :]):
            summary.cut_bytes += later.size_bytes
            summary.cut_segments += 1
            later.remove()
        del loaded.segments[index + 1 :]
        segment = loaded.segments[index]
        if position is not None:
            summary.cut_bytes += segment.size_bytes - position
            segment.file.truncate(position)
            segment.size_bytes = position
        summary.file = segment.path(filenames.LOG)
        summary.cut_at_offset = loaded.log_end_offset
        summary.reason = reason


def _is_complete(segments: list[Segment], index: int, end: int) -> bool:
    """Whether the batches end where the next segment begins: what lies behind them a failed append has left there."""
    return index + 1 < len(segments) and end == segments[index + 1].base_offset


def _write_again(segment: Segment, position: int) -> None:
    """The same bytes in the same place, to the end of the file."""
    while position < segment.size_bytes:
        piece = segment.file.read(position, min(_WRITE_BYTES, segment.size_bytes - position))
        if not piece:
            raise OSError(f"{segment.path(filenames.LOG)} ends early")
        segment.file.write_at(position, piece)
        position += len(piece)
