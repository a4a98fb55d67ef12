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

from odradek_broker.log import checkpoints, damage, filenames
from odradek_broker.log.config import LogConfig
from odradek_broker.log.failures import CorruptCheckpoint, DamagedLog
from odradek_broker.log.leader_epochs import NO_EPOCH, LeaderEpochs
from odradek_broker.log.loaded import Loaded, RecoverySummary
from odradek_broker.log.producer_replay import ProducerReplay
from odradek_broker.log.producer_state import ProducerStates
from odradek_broker.log.segment import Segment
from odradek_broker.log.segment_end import clean_end
from odradek_broker.log.snapshots import Snapshots
from odradek_broker.log.swap import orphans, tidy
from odradek_broker.log.unclean_start import UncleanStart
from odradek_broker.ports.disk import Disk

_NEEDED_INDEXES = (filenames.OFFSET_INDEX, filenames.TIME_INDEX)
"""Without the third there is no aborted transaction."""


class Recovery:
    """One start of one log. All methods raise OSError."""

    def __init__(self, disk: Disk, directory: str, config: LogConfig, *, log_start_offset: int, now_ms: int) -> None:
        self._disk = disk
        self._directory = directory
        self._config = config
        self._log_start_offset = log_start_offset
        self._producer_replay = ProducerReplay(now_ms)
        self._damage = self._producer_replay.damage
        """What was met of what nobody had looked for."""

    def load(self, *, clean: bool, recovery_point: int) -> Loaded:
        """Open a directory that exists."""
        missing = orphans(self._disk.list(self._directory)) if clean else []
        names = tidy(self._disk, self._directory)
        segments = self._find_segments(names)
        self._miss(missing, segments[-1].base_offset)
        snapshots = Snapshots(self._disk, self._directory, names)
        epochs = self._read_epochs(clean=clean)
        loaded = Loaded(segments, snapshots, epochs or LeaderEpochs())
        found = clean_end(segments[-1]) if clean else None
        if found is not None and found.offset >= max(recovery_point, *snapshots.offsets, 0):
            end = loaded.log_end_offset = found.offset
            loaded.producers = self._producer_replay.producers_at(end, segments, snapshots)
            # An empty log has forgotten its epochs, and batches before its start may still be there.
            is_empty = end <= self._log_start_offset
            if not is_empty and epochs is not None and found.leader_epoch not in (NO_EPOCH, epochs.epoch_at(end - 1)):
                damage.say(self._epochs_path, f"it does not know epoch {found.leader_epoch}, that of the last batch")
                epochs = None  # by such a file followers would be told to cut off what they and we have
        else:
            if clean:  # the last thing that a clean stop did was to note the producers as of the end of the log
                recovery_point = max(recovery_point, *snapshots.offsets, 0)
            summary = loaded.summary = RecoverySummary(recovery_point, was_clean=clean)
            self._walk(loaded, summary, segments[-1].base_offset + 1 if clean else recovery_point)
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

    def _walk(self, loaded: Loaded, summary: RecoverySummary, from_offset: int) -> None:
        start = UncleanStart(
            loaded, summary, self._config, self._producer_replay, log_start_offset=self._log_start_offset
        )
        start.recover(from_offset)

    def _miss(self, base_offsets: list[int], last: int) -> None:
        """Segments of which only the indexes are left. That the last one is gone is seen by where the log ends."""
        for base_offset in base_offsets:
            if self._log_start_offset <= base_offset < last:
                path = os.path.join(self._directory, filenames.segment_file(base_offset, filenames.LOG))
                self._damage.note(DamagedLog(path, 0, base_offset, "it is not there, and its indexes are"))

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
        met = self._damage.met
        if met is None:
            return
        if loaded.summary is None:
            loaded.summary = RecoverySummary(recovery_point, was_clean=clean, log_end_offset=loaded.log_end_offset)
        summary, gap = loaded.summary, loaded.summary.gap_at_offset
        offset = min(met.offset, loaded.log_end_offset)
        summary.gap_at_offset = offset if gap < 0 else min(gap, offset)
        summary.file = summary.file or str(met.filename)

    def _find_segments(self, names: list[str]) -> list[Segment]:
        offsets = [filenames.base_offset_of(name, filenames.LOG) for name in names]
        segments = [self._segment(offset) for offset in sorted(offset for offset in offsets if offset is not None)]
        return segments or [self._new_segment(self._log_start_offset)]

    def _segment(self, base_offset: int) -> Segment:
        size = self._disk.size(os.path.join(self._directory, filenames.segment_file(base_offset, filenames.LOG)))
        return Segment(self._disk, self._directory, base_offset, size, self._config.index_interval_bytes)

    def _new_segment(self, base_offset: int) -> Segment:
        return Segment.create(self._disk, self._directory, base_offset, self._config.index_interval_bytes)

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
            with self._damage.noting():
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
            with self._damage.noting():
                for _, header in segment.batches():
                    if header.base_offset >= first_known:
                        break
                    loaded.epochs.assign(header.partition_leader_epoch, header.base_offset)
        for epoch, start_offset in known:
            loaded.epochs.assign(epoch, start_offset)
