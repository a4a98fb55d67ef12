"""One flush of a log: what has to reach stable storage before an offset may be called safe.

The log makes a plan in its own thread, the plan waits in any other, the log then takes the result. A plan holds the
files themselves, so that a roll, a truncation or a deletion in the meantime takes nothing away from it. Plans may
overlap: one that began later names all that an earlier one has not yet brought home.
"""

from __future__ import annotations

from collections.abc import Callable

from odradek_broker.ports.disk import Disk, File


class FlushPlan:
    """`sync` raises OSError, and the log is failed from that moment on (the pages may be marked clean, yet be lost)."""

    __slots__ = ("_disk", "_fail", "directories", "done", "files", "offset", "paths", "truncations")

    def __init__(
        self,
        disk: Disk,
        *,
        offset: int,
        truncations: int,
        files: list[File],
        paths: list[str],
        directories: list[str],
        fail: Callable[[str], None],
    ) -> None:
        self._disk = disk
        self._fail = fail
        self.offset = offset
        """All below this offset will be safe."""
        self.truncations = truncations
        """How often the log had been truncated: a later truncation takes the offset's meaning away."""
        self.files = files
        self.paths = paths
        """Files that need not be open. One that is gone meanwhile needs no syncing."""
        self.directories = directories
        self.done = False

    def sync(self) -> None:
        """Wait for the disk. Blocking; made for a worker thread."""
        try:
            for file in self.files:
                file.sync()
            for path in self.paths:
                self._sync_if_there(self._disk.sync_file, path)
            for directory in self.directories:
                self._sync_if_there(self._disk.sync_dir, directory)
        except OSError as error:
            self._fail(f"sync failed: {error}")
            raise
        self.done = True

    @staticmethod
    def _sync_if_there(sync: Callable[[str], None], path: str) -> None:
        try:
            sync(path)
        except FileNotFoundError:
            pass
