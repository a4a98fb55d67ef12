"""One flush of a log: what has to reach stable storage before an offset may be called safe.

The log makes a plan in its own thread, the plan waits in any other, the log then takes the result. A plan holds the
files themselves, so that a roll, a truncation or a deletion in the meantime takes nothing away from it. Plans may
overlap: one that began later names all that an earlier one has not yet brought home.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from odradek_broker.log.epochs_file import NewEpochs
from odradek_broker.log.sealed_files import SealedFiles
from odradek_broker.ports.disk import Disk, File

T = TypeVar("T")


class FlushPlan:
    """`sync` raises OSError, and the log is failed from that moment on (the pages may be marked clean, yet be lost)."""

    __slots__ = (
        "_disk",
        "_fail",
        "directories",
        "done",
        "epochs",
        "files",
        "is_whole",
        "offset",
        "paths",
        "sealed",
        "sequence",
        "truncations",
    )

    def __init__(
        self,
        disk: Disk,
        *,
        offset: int,
        truncations: int,
        sequence: int,
        files: list[File],
        paths: list[str],
        directories: list[str],
        sealed: list[SealedFiles],
        epochs: NewEpochs | None,
        fail: Callable[[str], None],
    ) -> None:
        self._disk = disk
        self._fail = fail
        self.offset = offset
        """All below this offset will be safe."""
        self.truncations = truncations
        """How often the log had been truncated: a later truncation takes the offset's meaning away."""
        self.sequence = sequence
        """What was added to the list behind this number is not in the plan."""
        self.files = files
        self.paths = paths
        """Files that need not be open. One that is gone meanwhile needs no syncing."""
        self.directories = directories
        self.sealed = sealed
        """To be written first."""
        self.epochs = epochs
        """None where those that are written are the newest."""
        self.is_whole = True
        """Whether all that is derived of the batches is among the files, or has been synced before."""
        self.done = False

    def sync(self) -> None:
        """Wait for the disk. Blocking; made for a worker thread."""
        if self.epochs is not None:
            self._write(self.epochs)
        written = [path for files in self.sealed if self._is_there(files) for path in files.paths]
        try:
            for file in self.files:
                file.sync()
            for path in (*self.paths, *written):
                self._sync_if_there(self._disk.sync_file, path)
            for directory in self.directories:
                self._sync_if_there(self._disk.sync_dir, directory)
        except OSError as error:
            self._fail(f"sync failed: {error}")
            raise
        self.done = True

    def _write(self, epochs: NewEpochs) -> None:
        try:
            epochs.write()
        except OSError:
            self.epochs, self.is_whole = None, False  # the batches have them too; the next flush tries again

    def _is_there(self, files: SealedFiles) -> bool:
        try:
            return files.write()
        except OSError:
            self.is_whole = False  # what is in memory stays there; the next flush tries again
            return False

    @staticmethod
    def _sync_if_there(sync: Callable[[str], None], path: str) -> None:
        try:
            sync(path)
        except FileNotFoundError:
            pass


class Unsynced:
    """What has been written or renamed since it was last synced, each with a number that says how lately."""

    __slots__ = ("_directories", "_files", "_paths", "_sequence")

    def __init__(self) -> None:
        self._sequence = 0
        self._files: dict[File, int] = {}
        self._paths: dict[str, int] = {}
        self._directories: dict[str, int] = {}

    def add_file(self, file: File) -> None:
        self._files[file] = self._next()

    def add_path(self, path: str) -> None:
        self._paths[path] = self._next()

    def add_directory(self, path: str) -> None:
        self._directories[path] = self._next()

    def plan(
        self,
        disk: Disk,
        offset: int,
        truncations: int,
        fail: Callable[[str], None],
        *,
        sealed: list[SealedFiles],
        epochs: NewEpochs | None,
    ) -> FlushPlan:
        return FlushPlan(
            disk,
            offset=offset,
            truncations=truncations,
            sequence=self._sequence,
            files=list(self._files),
            paths=list(self._paths),
            directories=list(self._directories),
            sealed=sealed,
            epochs=epochs,
            fail=fail,
        )

    def forget(self, plan: FlushPlan) -> None:
        """What the plan has synced, unless it was added again meanwhile."""
        _forget(self._files, plan.files, plan.sequence)
        _forget(self._paths, plan.paths, plan.sequence)
        _forget(self._directories, plan.directories, plan.sequence)

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence


def _forget(unsynced: dict[T, int], synced: list[T], sequence: int) -> None:
    for item in synced:
        if unsynced.get(item, sequence + 1) <= sequence:
            del unsynced[item]
