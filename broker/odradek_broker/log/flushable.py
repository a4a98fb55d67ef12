"""Bringing a log to stable storage, in three steps of which the middle one may be another thread's."""

from __future__ import annotations

from odradek_broker.log.epochs_file import NewEpochs
from odradek_broker.log.failures import (
    LogFailed,
)
from odradek_broker.log.flush import FlushPlan
from odradek_broker.log.readable import ReadableLog
from odradek_broker.log.sealed_files import SealedFiles
from odradek_broker.log.segment import Segment


class FlushableLog(ReadableLog):
    """`flushed_offset` and `recovery_point` rise here, and nowhere else."""

    @property
    def leaves_work_to_a_start(self) -> bool:
        """Until it is flushed."""
        return self.owes_files or self.recovery_point < self.log_end_offset

    def begin_flush(self) -> FlushPlan:
        """What has to be synced so that all appended so far is safe. Follow with `plan.sync()`, then `end_flush`.

        Raises OSError, LogFailed.
        """
        if self.failed is not None:
            raise LogFailed(self.failed)
        sealed, epochs = self._sealed_files(), self._new_epochs()
        if self.flushed_offset < self.log_end_offset:
            self._unsynced.add_file(self.segments.active.file)
        return self._unsynced.plan(
            *(self._disk, self.log_end_offset, self.truncations, self.fail), sealed=sealed, epochs=epochs
        )

    def end_flush(self, plan: FlushPlan) -> None:
        """Take the result of a plan that has been synced. Raises LogFailed."""
        if self.failed is not None:
            raise LogFailed(self.failed)
        assert plan.done, "end_flush comes after sync"
        self._unsynced.forget(plan)
        if plan.epochs is not None:
            self._epochs_written = max(self._epochs_written, plan.epochs.version)
        self._snapshots.written()
        unsaved = self.segments.saved()
        self.owes_files = bool(unsaved) or self._snapshots.owes_any
        self.says_whose_it_is = True
        if plan.truncations == self.truncations:
            self.flushed_offset = max(self.flushed_offset, plan.offset)
            if plan.is_whole:
                self.recovery_point = max(self.recovery_point, min(plan.offset, self._indexed_up_to(unsaved)))

    def flush(self) -> None:
        """All three steps at once; blocks. Raises OSError, LogFailed."""
        plan = self.begin_flush()
        plan.sync()
        self.end_flush(plan)

    def _sealed_files(self) -> list[SealedFiles]:
        """What is not on disk yet of what is derived of sealed segments."""
        owed = self._snapshots.owed
        for segment in self.segments.unsaved():
            following = self.segments.after(segment)
            no_start_looks_there = following is not None and following.base_offset < self.recovery_point
            files = segment.files_to_save(sync=no_start_looks_there)
            if files is not None:
                owed.append(files)
        if owed:
            self._unsynced.add_directory(self.directory)
        return owed

    def _indexed_up_to(self, unsaved: list[Segment]) -> int:
        """Where the first sealed segment ends whose indexes are not on disk: a start looks at one that ends there."""
        if not unsaved:
            return self.log_end_offset
        following = [self.segments.after(segment) for segment in unsaved]
        return min((each.base_offset for each in following if each is not None), default=self.log_end_offset)

    def _new_epochs(self) -> NewEpochs | None:
        if self._epochs_written == self.epochs.version:
            return None
        self._unsynced.add_path(self._epochs_file.path)
        self._unsynced.add_directory(self.directory)
        return NewEpochs(self._epochs_file, self.epochs.version, self.epochs.entries())
