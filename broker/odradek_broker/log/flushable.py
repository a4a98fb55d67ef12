"""Bringing a log to stable storage, in three steps of which the middle one may be another thread's."""

from __future__ import annotations

import os

from odradek_broker.log import checkpoints, filenames
from odradek_broker.log.failures import (
    LogFailed,
)
from odradek_broker.log.flush import FlushPlan
from odradek_broker.log.readable import ReadableLog


class FlushableLog(ReadableLog):
    """`flushed_offset` and `recovery_point` rise here, and nowhere else."""

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
        return self._unsynced.plan(self._disk, self.log_end_offset, self.truncations, self.fail, is_whole=is_whole)

    def end_flush(self, plan: FlushPlan) -> None:
        """Take the result of a plan that has been synced. Raises LogFailed."""
        if self.failed is not None:
            raise LogFailed(self.failed)
        assert plan.done, "end_flush comes after sync"
        self._unsynced.forget(plan)
        self.says_whose_it_is = True
        if plan.truncations == self.truncations:
            self.flushed_offset = max(self.flushed_offset, plan.offset)
            if plan.is_whole:
                self.recovery_point = max(self.recovery_point, plan.offset)

    def flush(self) -> None:
        """All three steps at once; blocks. Raises OSError, LogFailed."""
        plan = self.begin_flush()
        plan.sync()
        self.end_flush(plan)

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
