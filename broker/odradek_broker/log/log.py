"""The log of one partition: append, read, flush, truncate. Plain blocking calls, for one thread.

Invariants
    Offsets from `log_start_offset` up to `log_end_offset` lie in the segments, in order; a new batch gets the latter.
    All below `flushed_offset` is on stable storage for sure; it falls only when the log is truncated, and before that.
    So is all below `recovery_point`, with what is derived of it: a start need not look there. It is never the greater.
    A call that raises OSError has changed nothing that a reader could see.
    Once `failed` is set (a sync has failed), nothing is written any more: only a start from disk tells what is there.

Its jobs are classes that follow one upon another, each in a module of its own:

    state.py         what it is made of
    readable.py      batches, offsets by time, aborted transactions
    flushable.py     to stable storage
    appendable.py    as leader, as follower; rolling
    cuttable.py      the end off
    ageing.py        the beginning off: deletion, retention
    compactable.py   compaction
    log.py           opening and closing

It deliberately does not know: high watermarks (callers bring them), replication, Trio, the time.
"""

from __future__ import annotations

import os
from contextlib import suppress

from odradek_broker.log import filenames
from odradek_broker.log.compactable import CompactableLog
from odradek_broker.log.config import LogConfig
from odradek_broker.log.epochs_file import NOT_WRITTEN
from odradek_broker.log.recovery import Recovery
from odradek_broker.log.topic_ids import check_topic_id
from odradek_broker.ports.disk import Disk


class Log(CompactableLog):
    """Made by `open`."""

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
        metadata_is_new = check_topic_id(
            *(disk, directory, topic_id),
            was_synced=was_synced,
            is_known=was_synced or is_only_one,
            is_only_one=is_only_one,
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
            log._epochs_written = NOT_WRITTEN
        else:
            log.release_files()
        return log

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
            self._snapshots.forget_owed()
            for segment in self.segments:
                with suppress(OSError):  # the next start goes on with what compaction could not put in place
                    segment.forget_unsaved()
                segment.release()
            self.is_closed = True
            self._epochs_file.close()
            self.fail("the log is closed")

    def _leave_clean(self) -> None:
        if self.log_end_offset not in self._snapshots.offsets:
            self.take_producer_snapshot()
        for segment in self.segments:
            for path in segment.save():
                self._unsynced.add_path(path)
                self._unsynced.add_directory(self.directory)
        plan = self.begin_flush()
        if plan.epochs is not None:
            plan.epochs.write()  # where they cannot be written, the stop is not clean
        plan.sync()
        self.end_flush(plan)

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
