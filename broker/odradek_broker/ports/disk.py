"""The disk as the broker sees it: a port, so that a simulation can lose, tear and refuse writes.

Plain blocking calls, all of which raise OSError. What a real disk promises, and a simulated one breaks no sooner:

    - `append` is all or nothing as far as the running process can tell; what a power cut leaves is another matter.
    - Bytes are safe after `sync`. A name (created, renamed, removed) is safe after `sync_dir` of its directory, if that
      one's own name is safe. Until then a power cut keeps a change of names or undoes it, and of bytes any part.
    - A `sync` that fails may have lost what it should have written: a later one succeeds, and means nothing for those.
    - A file may be read through one handle while another thread syncs it.
    - A handle that is dropped closes itself, so that whoever still sends a slice of the file keeps it open, and
      nobody else need know. `close` only makes that happen at once.
    - What is created is its owner's alone (files 0600, directories 0700), whatever the umask would let others have:
      records, passwords in settings and the cluster's keys are nobody else's to read.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import ClassVar, Protocol

from odradek.protocol.primitives import Buffer

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if sys.platform == "win32":
    import msvcrt

_CREATE = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_OPEN = _CREATE & ~os.O_CREAT
_FILE_MODE, _DIRECTORY_MODE = 0o600, 0o700
_HAS_PWRITEV = hasattr(os, "pwritev")


class AlreadyLocked(Exception):
    """Another process, or another part of this one, holds the lock."""


class File(Protocol):
    """An open file that is read anywhere and written, nearly always, at its end."""

    size: int
    """Bytes that count. What lies behind them, if anything does, is left from a write that failed."""

    def append(self, *buffers: Buffer) -> int:
        """Write all buffers, in order, behind the last byte; return the position where they begin.

        Raises OSError where not everything could be written; then `size` is what it was.
        """

    def write_at(self, position: int, data: Buffer) -> None:
        """Overwrite bytes inside the file."""

    def read(self, position: int, length: int) -> bytes:
        """Up to `length` bytes; fewer only at the end of the file."""

    def truncate(self, size: int) -> None: ...

    def sync(self) -> None:
        """Wait until the bytes, and the size, are on stable storage."""

    def fileno(self) -> int | None:
        """A descriptor for sendfile, or None where there is none."""

    def close(self) -> None: ...


class Lock(Protocol):
    def release(self) -> None: ...


class Disk(Protocol):
    """Paths are strings, with the operating system's separator."""

    def open(self, path: str, *, create: bool = False) -> File:
        """Open for reading and writing. Raises FileNotFoundError unless it exists or `create`."""

    def exists(self, path: str) -> bool: ...

    def is_dir(self, path: str) -> bool: ...

    def list(self, path: str) -> list[str]:
        """The names in a directory, in no order."""

    def size(self, path: str) -> int: ...

    def modified_ms(self, path: str) -> int: ...

    def make_dirs(self, path: str) -> None:
        """Create a directory and what is missing above it; fine where it exists."""

    def rename(self, path: str, to: str) -> None:
        """Rename a file or directory; a file in the way is replaced."""

    def remove(self, path: str) -> None: ...

    def remove_dir(self, path: str) -> None:
        """Remove an empty directory."""

    def sync_file(self, path: str) -> None:
        """Wait until a file that need not be open is on stable storage."""

    def sync_dir(self, path: str) -> None: ...

    def read_file(self, path: str) -> bytes: ...

    def replace_file(self, path: str, data: Buffer, *, sync: bool = True) -> None:
        """Give a file new content at one stroke: a `.tmp` beside it, renamed over it.

        With `sync` both content and name are safe on return; without, a power cut may leave it old, new, empty or torn,
        and the `.tmp` behind.
        """

    def free_bytes(self, path: str) -> int: ...

    def total_bytes(self, path: str) -> int:
        """The size of the file system that holds a path."""

    def lock(self, path: str) -> Lock:
        """Take the lock file, creating it. Raises AlreadyLocked."""

    def boot_id(self) -> str:
        """Another one after every event that may have lost what was not synced; empty where nobody knows."""


class RealFile:
    """A file of the operating system. Not to be appended to from two threads."""

    __slots__ = ("_descriptor", "_ragged", "size")

    def __init__(self, path: str, *, create: bool) -> None:
        self._descriptor = -1
        self._descriptor = os.open(path, _CREATE if create else _OPEN, _FILE_MODE)
        self._ragged = False
        self.size = os.fstat(self._descriptor).st_size

    def append(self, *buffers: Buffer) -> int:
        position = self.size
        if self._ragged:
            self.truncate(position)
        written = length = 0
        try:
            if len(buffers) == 1:
                length = len(buffers[0])
                written = _write(self._descriptor, buffers[0], position)
            else:
                length = sum(map(len, buffers))
                written = _write_many(self._descriptor, buffers, position)
            if written != length:
                self._write_rest(b"".join(buffers), position, written)
        except BaseException:
            self._cut_back()
            raise
        self.size = position + length
        return position

    def write_at(self, position: int, data: Buffer) -> None:
        assert position + len(data) <= self.size, "write_at stays inside the file"
        written = _write(self._descriptor, data, position)
        if written != len(data):
            self._write_rest(data, position, written)

    def read(self, position: int, length: int) -> bytes:
        data = _read(self._descriptor, length, position)
        if len(data) == length or not data:
            return data
        pieces = [data]
        missing = length - len(data)
        while missing and (data := _read(self._descriptor, missing, position + length - missing)):
            pieces.append(data)
            missing -= len(data)
        return b"".join(pieces)

    def truncate(self, size: int) -> None:
        if size == self.size and not self._ragged:
            return
        os.ftruncate(self._descriptor, size)
        self.size = size
        self._ragged = False

    def sync(self) -> None:
        _sync(self._descriptor)

    def fileno(self) -> int | None:
        return self._descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()

    def _write_rest(self, data: Buffer, position: int, written: int) -> None:
        """Finish what the operating system wrote only in part: it does so at a limit, or when a signal comes."""
        view = memoryview(data)
        while written < len(view):
            count = _write(self._descriptor, view[written:], position + written)
            if count == 0:
                raise OSError("the file takes no more bytes")
            written += count

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self.size)
        except OSError:
            self._ragged = True  # bytes that do not count remain; the next append tries again before it writes


class FileLock:
    """An exclusive lock on a file, of the kind Kafka takes (POSIX), so that either keeps the other out.

    The system frees it when the process dies. It does not keep a process from itself, so the paths held are noted.
    """

    _held: ClassVar[set[str]] = set()

    def __init__(self, path: str) -> None:
        self._path = os.path.realpath(path)
        if self._path in self._held:
            raise AlreadyLocked(path)
        self._descriptor = os.open(path, _CREATE, _FILE_MODE)
        try:
            _lock(self._descriptor)
        except OSError:
            os.close(self._descriptor)
            raise AlreadyLocked(path) from None
        self._held.add(self._path)

    def release(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            self._held.discard(self._path)
            os.close(descriptor)


class RealDisk:
    """The operating system's files."""

    def open(self, path: str, *, create: bool = False) -> RealFile:
        return RealFile(path, create=create)

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def is_dir(self, path: str) -> bool:
        return os.path.isdir(path)

    def list(self, path: str) -> list[str]:
        return os.listdir(path)

    def size(self, path: str) -> int:
        return os.stat(path).st_size

    def modified_ms(self, path: str) -> int:
        return os.stat(path).st_mtime_ns // 1_000_000

    def make_dirs(self, path: str) -> None:
        if not os.path.isdir(path):
            parent = os.path.dirname(path)
            if parent:
                self.make_dirs(parent)
            with suppress(FileExistsError):
                os.mkdir(path, _DIRECTORY_MODE)

    def rename(self, path: str, to: str) -> None:
        os.replace(path, to)

    def remove(self, path: str) -> None:
        os.remove(path)

    def remove_dir(self, path: str) -> None:
        os.rmdir(path)

    def sync_file(self, path: str) -> None:
        descriptor = os.open(path, _OPEN)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)

    def sync_dir(self, path: str) -> None:
        if sys.platform == "win32":
            return  # directories cannot be opened there
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read_file(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def replace_file(self, path: str, data: Buffer, *, sync: bool = True) -> None:
        temporary = path + ".tmp"
        with open(temporary, "wb", opener=_opened_by_owner) as file:
            if hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), _FILE_MODE)  # one that was left there may be anybody's to read
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if sync:
            self.sync_dir(os.path.dirname(path) or os.curdir)

    def boot_id(self) -> str:
        try:
            with open("/proc/sys/kernel/random/boot_id") as file:
                return file.read().strip()
        except OSError:
            return ""

    def free_bytes(self, path: str) -> int:
        if hasattr(os, "statvfs"):
            found = os.statvfs(path)
            return found.f_bavail * found.f_frsize
        import shutil

        return shutil.disk_usage(path).free

    def total_bytes(self, path: str) -> int:
        if hasattr(os, "statvfs"):
            found = os.statvfs(path)
            return found.f_blocks * found.f_frsize
        import shutil

        return shutil.disk_usage(path).total

    def lock(self, path: str) -> FileLock:
        return FileLock(path)


def _opened_by_owner(path: str, flags: int) -> int:
    return os.open(path, flags, _FILE_MODE)


def _write(descriptor: int, data: Buffer, position: int, /) -> int:
    os.lseek(descriptor, position, os.SEEK_SET)
    return os.write(descriptor, data)


def _read(descriptor: int, length: int, position: int, /) -> bytes:
    os.lseek(descriptor, position, os.SEEK_SET)
    return os.read(descriptor, length)


if hasattr(os, "pwrite") and hasattr(os, "pread"):
    _write = os.pwrite
    _read = os.pread


def _write_many(descriptor: int, buffers: tuple[Buffer, ...], position: int) -> int:
    if _HAS_PWRITEV and 0 < len(buffers) <= 1024:
        return os.pwritev(descriptor, buffers, position)
    return _write(descriptor, b"".join(buffers), position)


def _sync(descriptor: int) -> None:
    """To the platter, not only to the drive: on macOS plain fsync stops half way."""
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
