"""From the bytes in a directory to the state of a log.

After a clean stop everything is as it was left: nothing is read but the end of the last segment and a few small files.
(The newest producer snapshot, the last thing that a clean stop writes, says in its name where the log must end.)
After any other, whatever lies behind the recovery point may be torn, and is walked through, from the beginning of the
segment that holds it:

    - The log ends before the first batch that is not sound; what follows is cut off, later segments and all.
      A segment that does not begin where the one before it ends is as bad: something between them is lost.
      So is a batch of an older leader epoch: it had been cut off once, and is back.
    - What lies behind the recovery point is written once more, as it is. It may be in the memory of the system alone,
      and marked as written there, if syncing it had failed; now the next sync brings it to stable storage. The rest of
      what such a sync would have covered (indexes, snapshots, leader epochs) is made anew and written by the log.
    - Doing it again changes nothing, and a crash in the midst of it only means doing it again.

What lies before the recovery point had been on stable storage, and so had everything after a clean stop. If something
is wrong there it is no torn write but damage (`RecoverySummary.is_damage`). It is found where it lies in a segment that
is walked through, two batches that contradict each other going both, for one cannot tell which is wrong; where the log
ends too early, or no batch ends at the recovery point; and, after a stop that was not clean, where a segment is
missing or shorter than it was. Damage inside of older segments, which are too much to read at every start, is found
where these are read all the same, for producers, epochs, or an index that is not there; else readers find it
(Segment), or `odradek log verify`.
Segments are found missing that lay before all others where their indexes are still there after a clean stop, or a power
cut may have taken what nobody had synced (Log.open), and else not; nor is it seen when the last batch claims a later
leader epoch.

The file of leader epochs has no checksum, being Kafka's. After a clean stop it must agree with the last batch, or it is
made anew from all of them; after any other it is, from where the walk begins.

Kafka: LogLoader, LogSegment.recover.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from odradek.protocol.records.batch import BatchHeader
from odradek_broker.log import checkpoints, damage, filenames, offset_index
from odradek_broker.log.config import LogConfig
from odradek_broker.log.failures import CorruptCheckpoint, DamagedLog
from odradek_broker.log.leader_epochs import NO_EPOCH, LeaderEpochs
from odradek_broker.log.producer_state import ProducerStates
from odradek_broker.log.replay import replay
from odradek_broker.log.scan import Scan
from odradek_broker.log.segment import Segment, read_end
from odradek_broker.log.snapshots import Snapshots
from odradek_broker.log.swap import orphans, tidy
from odradek_broker.log.transaction_index import AbortedTransaction, TransactionIndex
from odradek_broker.ports.disk import Disk

_WRITE_BYTES = 1024 * 1024
_NEEDED_INDEXES = (filenames.OFFSET_INDEX, filenames.TIME_INDEX)
"""Without the third there is no aborted transaction."""


@dataclass
class RecoverySummary:
    """What a start without a clean stop found, or one that was not what a clean stop leaves."""

    recovery_point: int
    was_clean: bool = False
    log_end_offset: int = 0
    scanned_segments: int = 0
    scanned_bytes: int = 0
    cut_at_offset: int = -1
    """Where the log ends because the rest was cut; -1 where nothing was."""
    cut_bytes: int = 0
    cut_segments: int = 0
    """Later segments, removed whole."""
    reason: str = ""
    file: str = ""
    """The path of the file that was cut."""
    gap_at_offset: int = -1
    """Where batches are missing between two that were both kept, or do not read back; -1 where none are (any more)."""

    @property
    def is_damage(self) -> bool:
        """Whether something is gone, or not what it was, that had been on stable storage.

        A write that a power cut has torn is none. Nor can what has come since the recovery point was last written down
        be told from one, however it was damaged.
        """
        was_cut_after_all = self.was_clean and self.cut_at_offset >= 0
        return was_cut_after_all or self.log_end_offset < self.recovery_point or self.gap_at_offset >= 0

    @property
    def sound_up_to(self) -> int:
        """All before this offset is as it was, as far as a start can tell."""
        return self.gap_at_offset if self.gap_at_offset >= 0 else self.log_end_offset

    def __str__(self) -> str:
        """One line for the operator."""
        parts = [f"scanned {self.scanned_bytes} bytes in {self.scanned_segments} segments"]
        if self.cut_at_offset >= 0:
            parts.append(
                f"cut {self.cut_bytes} bytes and {self.cut_segments} later segments at offset {self.cut_at_offset} "
                f"({self.file}): {self.reason}"
            )
        else:
            parts.append("nothing was cut")
        if self.log_end_offset < self.recovery_point:
            parts.append(f"the log ends BELOW the recovery point {self.recovery_point}")
        if self.gap_at_offset >= 0:
            parts.append(f"batches are MISSING from offset {self.gap_at_offset} on")
        return ", ".join(parts)


@dataclass
class Loaded:
    """A log's state as it was found, or made."""

    segments: list[Segment]
    snapshots: Snapshots
    epochs: LeaderEpochs
    log_end_offset: int = 0
    producers: ProducerStates = field(default_factory=ProducerStates)
    summary: RecoverySummary | None = None
    written: list[str] = field(default_factory=list)
    """Paths of what was written and not synced, apart from the segments."""


class _End(NamedTuple):
    """Of a segment."""

    offset: int
    leader_epoch: int
    """Of its last batch; NO_EPOCH where it has none, or is empty."""


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


class Recovery:
    """One start of one log. All methods raise OSError."""

    def __init__(self, disk: Disk, directory: str, config: LogConfig, *, log_start_offset: int, now_ms: int) -> None:
        self._disk = disk
        self._directory = directory
        self._config = config
        self._log_start_offset = log_start_offset
        self._now_ms = now_ms
        self.damage: DamagedLog | None = None
        """The first that was met of what nobody had looked for."""

    def load(self, *, clean: bool, recovery_point: int) -> Loaded:
        """Open a directory that exists."""
        missing = orphans(self._disk.list(self._directory)) if clean else []
        names = tidy(self._disk, self._directory)
        segments = self._find_segments(names)
        self._miss(missing, segments[-1].base_offset)
        snapshots = Snapshots(self._disk, self._directory, names)
        epochs = self._read_epochs(clean=clean)
        loaded = Loaded(segments, snapshots, epochs or LeaderEpochs())
        found = self._clean_end(segments[-1]) if clean else None
        if found is not None and found.offset >= max(recovery_point, *snapshots.offsets, 0):
            end = loaded.log_end_offset = found.offset
            loaded.producers = self.producers_at(end, segments, snapshots)
            is_empty = (
                end <= self._log_start_offset
            )  # then epochs are forgotten, and batches before its start are there
            if not is_empty and epochs is not None and found.leader_epoch not in (NO_EPOCH, epochs.epoch_at(end - 1)):
                damage.say(self._epochs_path, f"it does not know epoch {found.leader_epoch}, that of the last batch")
                epochs = None  # by such a file followers would be told to cut off what they and we have
        else:
            if clean:  # the last thing that a clean stop did was to note the producers as of the end of the log
                recovery_point = max(recovery_point, *snapshots.offsets, 0)
            summary = loaded.summary = RecoverySummary(recovery_point, was_clean=clean)
            self._recover(loaded, summary, segments[-1].base_offset + 1 if clean else recovery_point)
            summary.log_end_offset = loaded.log_end_offset
        if loaded.log_end_offset < self._log_start_offset:
            self._start_over(loaded)
        if epochs is None:
            self._rebuild_epochs(loaded)
        self._complete_epochs(loaded)
        self._sum_up_damage(loaded, clean=clean, recovery_point=recovery_point)
        self._complete_indexes(loaded.segments[:-1], set(names))
        loaded.epochs.truncate_to(loaded.log_end_offset)
        loaded.epochs.advance_start(max(self._log_start_offset, loaded.segments[0].base_offset))
        return loaded

    def _miss(self, base_offsets: list[int], last: int) -> None:
        """Segments of which only the indexes are left. That the last one is gone is seen by where the log ends."""
        for base_offset in base_offsets:
            if self._log_start_offset <= base_offset < last and self.damage is None:
                path = os.path.join(self._directory, filenames.segment_file(base_offset, filenames.LOG))
                self.damage = DamagedLog(path, 0, base_offset, "it is not there, and its indexes are")

    def _complete_indexes(self, sealed: list[Segment], names: set[str]) -> None:
        """Make those anew that are not there: now, beside the loop, and not when somebody first reads there, for a
        gigabyte of small batches is looked through for many seconds. What is damaged is looked through once, too."""
        for segment in sealed:
            needed = {filenames.segment_file(segment.base_offset, suffix) for suffix in _NEEDED_INDEXES}
            if not segment.size_bytes or segment.unsaved or needed <= names:
                continue
            try:
                _ = segment.time_index
                segment.save(sync=True)
            except OSError:
                continue  # damage is told to whoever reads there; an index that cannot be written stays in memory
            segment.release()

    def _sum_up_damage(self, loaded: Loaded, *, clean: bool, recovery_point: int) -> None:
        """What a walk through older segments has met: as if batches were missing from there on."""
        if self.damage is None:
            return
        if loaded.summary is None:
            loaded.summary = RecoverySummary(recovery_point, was_clean=clean, log_end_offset=loaded.log_end_offset)
        summary, gap = loaded.summary, loaded.summary.gap_at_offset
        offset = min(self.damage.offset, loaded.log_end_offset)
        summary.gap_at_offset = offset if gap < 0 else min(gap, offset)
        summary.file = summary.file or str(self.damage.filename)

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
        """A segment's transaction index anew, from the producer state at its beginning and its batches.

        Raises DamagedLog where these do not read back.
        """
        states = self.producers_at(segment.base_offset, segments, snapshots)
        aborted = self._replay_segment(states, segment, segment.base_offset, 2**63 - 1)
        if self.damage is not None:
            raise self.damage
        return TransactionIndex(aborted)

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

    def _clean_end(self, segment: Segment) -> _End | None:
        """The end of the log, by the last entry of the index and the few batches behind; None where these disagree."""
        leader_epoch = NO_EPOCH
        if segment.size_bytes == 0:
            return _End(segment.base_offset, leader_epoch)
        try:
            entry = read_end(self._disk, segment.path(filenames.OFFSET_INDEX), offset_index.ENTRY_BYTES)
        except FileNotFoundError:
            return None
        position = offset_index.decode_last_position(entry)
        if position == segment.size_bytes:
            return None  # the batch that the entry is of is gone
        scan = Scan(segment.file, position, segment.size_bytes, next_offset=segment.base_offset)
        for _, header in scan:
            leader_epoch = header.partition_leader_epoch
        is_whole = scan.fault is None and scan.position == segment.size_bytes
        return _End(scan.next_offset, leader_epoch) if is_whole else None

    @property
    def _epochs_path(self) -> str:
        return os.path.join(self._directory, filenames.LEADER_EPOCHS)

    def _read_epochs(self, *, clean: bool) -> LeaderEpochs | None:
        """None where the file is missing or damaged. A power cut may have torn it."""
        try:
            return LeaderEpochs(checkpoints.decode_epochs(self._disk.read_file(self._epochs_path)))
        except FileNotFoundError:
            return None
        except CorruptCheckpoint as error:
            if clean:
                damage.say(self._epochs_path, error)
            return None

    # Any other start.

    def _recover(self, loaded: Loaded, summary: RecoverySummary, from_offset: int) -> None:
        """Walk the segments from the one that holds the record before an offset to the end, or to the first fault.

        One that ends there is walked, too: its indexes may have been written no earlier than the next was begun. But
        none that lies before the start of the log: of those a power cut may have brought some back.
        """
        segments, snapshots = loaded.segments, loaded.snapshots
        from_offset = max(from_offset, self._log_start_offset + 1)
        first = max((i for i, segment in enumerate(segments) if segment.base_offset < from_offset), default=0)
        start = segments[first].base_offset
        if not self._config.compacts:
            summary.gap_at_offset = self._first_gap(segments[: first + 1])
        snapshots.remove_after(start)
        loaded.producers = self.producers_at(start, segments[: first + 1], snapshots)
        loaded.epochs.truncate_to(start)
        loaded.log_end_offset, epoch = start, NO_EPOCH
        for index in range(first, len(segments)):
            segment = segments[index]
            if segment.base_offset != loaded.log_end_offset:
                reason = f"no batches from there to offset {segment.base_offset}"
                self._cut(loaded, summary, index - 1, None, reason)
                break
            if index > first:
                loaded.written.append(snapshots.take(segment.base_offset, loaded.producers))
            walk = self._rescan(loaded, segment, summary.recovery_point, epoch)
            epoch = walk.leader_epoch
            summary.scanned_segments += 1
            summary.scanned_bytes += walk.position
            if walk.fault is not None and _is_complete(segments, index, walk.next_offset):
                segment.file.truncate(walk.position)
                segment.size_bytes, walk.fault = walk.position, None
            if walk.fault is not None:
                self._cut(loaded, summary, index, walk.position, walk.fault)
            _write_again(segment, walk.doubtful_from)
            if walk.fault is not None:
                break

    def _rescan(self, loaded: Loaded, segment: Segment, recovery_point: int, leader_epoch: int) -> _Walk:
        """Build indexes, producer state and epochs from one segment, as far as it is sound.

        `leader_epoch`: that of the batches walked before. (The file of leader epochs has no checksum; nothing is cut
        because of what it says.)
        A batch is taken once it is known what follows it: the checksum covers neither offsets nor leader epochs.
        """
        segment.start_empty()
        scan = segment.scan(verify=True, leader_epoch=leader_epoch)
        walk = _Walk(next_offset=segment.base_offset, leader_epoch=leader_epoch)
        held: tuple[int, BatchHeader] | None = None
        for position, header in scan:
            if held is not None:
                self._take(loaded, segment, walk, *held, recovery_point)
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
                    self._take(loaded, segment, walk, *held, recovery_point)
        segment.complete_time_index()
        loaded.log_end_offset = walk.next_offset
        return walk

    def _take(
        self,
        loaded: Loaded,
        segment: Segment,
        walk: _Walk,
        position: int,
        header: BatchHeader,
        recovery_point: int,
    ) -> None:
        if walk.doubtful is None and header.last_offset >= recovery_point:
            walk.doubtful = position
        walk.next_offset = header.next_offset
        walk.leader_epoch = max(header.partition_leader_epoch, walk.leader_epoch)
        segment.note(position, header, header.last_offset)
        loaded.epochs.assign(header.partition_leader_epoch, header.base_offset)
        if header.producer_id >= 0:
            aborted = self._replay(loaded.producers, segment, position, header)
            if aborted is not None:
                segment.transaction_index.append(aborted)

    def _first_gap(self, segments: list[Segment]) -> int:
        """Where the batches of a segment end before the next begins; -1 where they follow on one another."""
        for segment, following in pairwise(segments):
            if following.base_offset > self._log_start_offset and self._end_of(segment) != following.base_offset:
                return self._end_of(segment)
        return -1

    def _end_of(self, segment: Segment) -> int:
        found = self._clean_end(segment)
        if found is None:
            scan = segment.scan()
            for _ in scan:
                pass
            found = _End(scan.next_offset, NO_EPOCH)
        segment.release()
        return found.offset

    def _cut(self, loaded: Loaded, summary: RecoverySummary, index: int, position: int | None, reason: str) -> None:
        """End the log in that segment, at that position or where it ends anyway; the last goes first."""
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
            with self._noting_damage():
                for _, header in segment.batches():
                    loaded.epochs.assign(header.partition_leader_epoch, header.base_offset)
        loaded.epochs.version += 1

    def _complete_epochs(self, loaded: Loaded) -> None:
        """Find the epochs of batches before the first that is known.

        The start of the log had moved there, and that had not been written down: what lies before it is back.
        """
        known = loaded.epochs.entries()
        first_known = known[0][1] if known else loaded.log_end_offset
        if first_known <= max(self._log_start_offset, loaded.segments[0].base_offset):
            return
        loaded.epochs.clear()
        for segment in loaded.segments:
            with self._noting_damage():
                for _, header in segment.batches():
                    if header.base_offset >= first_known:
                        break
                    loaded.epochs.assign(header.partition_leader_epoch, header.base_offset)
        for epoch, start_offset in known:
            loaded.epochs.assign(epoch, start_offset)

    @contextmanager
    def _noting_damage(self) -> Iterator[None]:
        try:
            yield
        except DamagedLog as error:
            if self.damage is None or error.offset < self.damage.offset:
                self.damage = error

    # Replay.

    def _replay_segment(
        self, states: ProducerStates, segment: Segment, start: int, end: int
    ) -> list[AbortedTransaction]:
        """Note the batches of a segment that lie from `start` up to `end`."""
        aborted: list[AbortedTransaction] = []
        with self._noting_damage():
            found = segment.find(start) if start > segment.base_offset else (0, 0)
            for position, header in segment.batches(found[0] if found else segment.size_bytes):
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
