"""The file of leader epochs of one log, which workers write: a disk that is busy holds whoever replaces a file.

Invariants
    No list is written over a newer one, whichever worker comes first.
    Nothing is written once it is closed: another log may lie at that path by then.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from threading import Lock

from msgspec import Struct

from odradek_broker.log import checkpoints, filenames
from odradek_broker.ports.disk import Disk

NOT_WRITTEN = -1


class EpochsFile:
    """In any thread."""

    def __init__(self, directory: str, disk: Disk) -> None:
        self.path = os.path.join(directory, filenames.LEADER_EPOCHS)
        self._disk = disk
        self._lock = Lock()
        self._newest = NOT_WRITTEN
        self._is_closed = False

    def write(self, version: int, entries: Sequence[tuple[int, int]]) -> None:
        """Not synced. Blocks, raises OSError."""
        with self._lock:
            if version > self._newest and not self._is_closed:
                self._disk.replace_file(self.path, checkpoints.encode_epochs(entries), sync=False)
                self._newest = version

    def close(self) -> None:
        """Waits for whoever writes just now."""
        with self._lock:
            self._is_closed = True


class NewEpochs(Struct, frozen=True):
    """What is to be written with a flush."""

    file: EpochsFile
    version: int
    entries: list[tuple[int, int]]

    def write(self) -> None:
        """Blocks, raises OSError."""
        self.file.write(self.version, self.entries)
