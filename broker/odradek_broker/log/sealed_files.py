"""What is derived of a sealed segment, to be written by a worker: its indexes, the producers as they were at its end.

Replacing a file takes as long as the disk likes, and appending must not wait for it. So who rolls says what is to be
written, as it is then; who syncs the log next writes it first, in any thread (flush.py).

Invariants
    Nothing is written once it is withdrawn: another file may have that name by then, or the segment be another.
    What could not be written is written by the next flush: until then no start is told that it need not look there.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from odradek_broker.ports.disk import Disk


class SealedFiles:
    """Some files, written together or not at all as far as anybody is told."""

    __slots__ = ("_contents", "_disk", "_lock", "_stale", "_sync", "_unless_empty", "_withdrawn", "done", "paths")

    def __init__(
        self,
        disk: Disk,
        contents: list[tuple[str, Callable[[], bytes]]],
        *,
        stale: tuple[str, ...] = (),
        unless_empty: str = "",
        sync: bool = False,
    ) -> None:
        """Paths, and what makes their bytes. `stale`: what must not stay as it is where they cannot be written.

        `unless_empty`: one that need not be made to hold nothing. With `sync` each is on stable storage at every
        moment, old or new: else a power cut may leave an empty one, which of transactions says that none was aborted.
        """
        self._disk = disk
        self._contents = contents
        self._stale = stale
        self._unless_empty = unless_empty
        self._sync = sync
        self._lock = Lock()
        self._withdrawn = False
        self.paths: list[str] = []
        """Those that were written, once they are."""
        self.done = False

    def write(self) -> bool:
        """Whether they are there now, be it since before. Blocks. Raises OSError, and then it may be tried again."""
        with self._lock:
            if not (self.done or self._withdrawn):
                try:
                    self.paths = [path for path, encode in self._contents if self._replace(path, encode())]
                except OSError:
                    self._remove_stale()
                    raise
                self.done = True
            return self.done

    def withdraw(self) -> None:
        """Waits for whoever writes just now."""
        with self._lock:
            self._withdrawn = True

    def withdraw_unless_begun(self) -> bool:
        """The same where nobody writes it, or has; whether that is so. Waits for nobody."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._withdrawn = self._withdrawn or not self.done
            return self._withdrawn
        finally:
            self._lock.release()

    def _replace(self, path: str, data: bytes) -> bool:
        if not data and path == self._unless_empty and not self._disk.exists(path):
            return False
        self._disk.replace_file(path, data, sync=self._sync)
        return True

    def _remove_stale(self) -> None:
        for path in self._stale:
            if self._disk.exists(path):
                self._disk.remove(path)
