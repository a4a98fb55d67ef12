"""Disks that fail on demand, over a real one."""

from __future__ import annotations

import errno
from typing import Any

from odradek_broker.ports.disk import RealDisk, RealFile


class Crash(BaseException):
    """The process dies here."""


_MUTATING = ("rename", "remove", "remove_dir", "make_dirs", "replace_file", "sync_dir", "sync_file")


class CrashingDisk(RealDisk):
    """Dies before the call that changes something after `calls_left` others; once dead it does nothing any more."""

    def __init__(self) -> None:
        self.calls_left = 10**9

    def spend(self) -> None:
        if self.calls_left <= 0:
            raise Crash
        self.calls_left -= 1

    def open(self, path: str, *, create: bool = False) -> RealFile:
        if create:
            self.spend()
        return _CrashingFile(self, path, create=create)

    def __getattribute__(self, name: str) -> Any:
        if name in _MUTATING:
            object.__getattribute__(self, "spend")()
        return object.__getattribute__(self, name)


class _CrashingFile(RealFile):
    __slots__ = ("_disk",)

    def __init__(self, disk: CrashingDisk, path: str, *, create: bool) -> None:
        super().__init__(path, create=create)
        self._disk = disk

    def append(self, *buffers: Any) -> int:
        self._disk.spend()
        return super().append(*buffers)

    def truncate(self, size: int) -> None:
        self._disk.spend()
        super().truncate(size)

    def sync(self) -> None:
        self._disk.spend()
        super().sync()


class FaultyDisk(RealDisk):
    """Refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.free = 10**12
        """Bytes that can still be written, then ENOSPC; a write that fits only in part is done in part."""
        self.sync_fails = False
        self.truncate_fails = False
        self.fails: set[str] = set()
        """Names of calls that answer EIO."""
        self.synced: list[str] = []
        """Files that were synced by name."""

    def open(self, path: str, *, create: bool = False) -> RealFile:
        self._check("open")
        return _FaultyFile(self, path, create=create)

    def replace_file(self, path: str, data: Any, *, sync: bool = True) -> None:
        self._check("replace_file")
        self.take(len(data))
        super().replace_file(path, data, sync=sync)

    def rename(self, path: str, to: str) -> None:
        self._check("rename")
        super().rename(path, to)

    def remove(self, path: str) -> None:
        self._check("remove")
        super().remove(path)

    def sync_file(self, path: str) -> None:
        self._check_sync()
        self.synced.append(path)
        super().sync_file(path)

    def sync_dir(self, path: str) -> None:
        self._check_sync()
        super().sync_dir(path)

    def take(self, count: int) -> None:
        if count > self.free:
            raise OSError(errno.ENOSPC, "no space left on device")
        self.free -= count

    def _check(self, name: str) -> None:
        if name in self.fails:
            raise OSError(errno.EIO, f"{name} failed")

    def _check_sync(self) -> None:
        if self.sync_fails:
            raise OSError(errno.EIO, "sync failed")


class _FaultyFile(RealFile):
    __slots__ = ("_disk",)

    def __init__(self, disk: FaultyDisk, path: str, *, create: bool) -> None:
        super().__init__(path, create=create)
        self._disk = disk

    def append(self, *buffers: Any) -> int:
        self._disk._check("append")
        data = b"".join(buffers)
        fits = min(len(data), self._disk.free)
        before = self.size
        position = super().append(data[:fits])
        self._disk.free -= fits
        if fits < len(data):
            self.truncate(before)
            raise OSError(errno.ENOSPC, "no space left on device")
        return position

    def truncate(self, size: int) -> None:
        if self._disk.truncate_fails:
            raise OSError(errno.EIO, "truncate failed")
        super().truncate(size)

    def sync(self) -> None:
        self._disk._check_sync()
        super().sync()
