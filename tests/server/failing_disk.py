"""A real disk of which some part fails, or does not come to an end, for as long as a test says so."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from odradek_broker.ports.disk import RealDisk, RealFile

PATIENCE_SECONDS = 10


class FailingDisk(RealDisk):
    """Partitions are named by their directories, as `t-0`."""

    def __init__(self) -> None:
        self.is_full = False
        """Nothing can be written any more (ENOSPC); what is there can be read."""
        self.refuses_small_files = False
        """No file can be replaced (ENOSPC): checkpoints and indexes; records still find room in theirs."""
        self.failing_syncs: set[str] = set()
        """Partitions whose syncs answer EIO."""
        self._gates: dict[str, tuple[threading.Event, threading.Event]] = {}

    @contextmanager
    def syncs_held(self, partition: str) -> Iterator[threading.Event]:
        """No sync of the partition ends inside; gives the event that one has begun."""
        begun, released = self._gates[partition] = threading.Event(), threading.Event()
        try:
            yield begun
        finally:
            released.set()
            del self._gates[partition]

    def open(self, path: str, *, create: bool = False) -> RealFile:
        return _FailingFile(self, path, create=create)

    def replace_file(self, path: str, data: Any, *, sync: bool = True) -> None:
        if self.is_full or self.refuses_small_files:
            raise OSError(errno.ENOSPC, "no space left on device")
        super().replace_file(path, data, sync=sync)

    def before_sync(self, path: str) -> None:
        partition = Path(path).parent.name
        if partition in self._gates:
            begun, released = self._gates[partition]
            begun.set()
            assert released.wait(PATIENCE_SECONDS), "the test has forgotten to release a sync"
        if partition in self.failing_syncs:
            raise OSError(errno.EIO, "sync failed")


class _FailingFile(RealFile):
    __slots__ = ("_disk", "_path")

    def __init__(self, disk: FailingDisk, path: str, *, create: bool) -> None:
        super().__init__(path, create=create)
        self._disk = disk
        self._path = path

    def append(self, *buffers: Any) -> int:
        if self._disk.is_full:  # a part still fits, as on real disks
            before = self.size
            super().append(b"".join(buffers)[:7])
            self.truncate(before)
            raise OSError(errno.ENOSPC, "no space left on device")
        return super().append(*buffers)

    def sync(self) -> None:
        self._disk.before_sync(self._path)
        super().sync()
