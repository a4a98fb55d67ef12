"""A disk in memory that keeps what was synced apart from what was not, and at a power cut loses of the latter.

A file is its bytes as the process sees them, and an image: what is on stable storage. `sync` brings the image up to
date. At a power cut the bytes behind the image's are kept up to a point drawn at random, which may lie in the midst of
a batch, or are torn: noise from there on. A file that was never synced may be gone with its name, unless its directory
was synced. A process that dies alone loses nothing.
"""

from __future__ import annotations

import errno
import posixpath
from random import Random
from typing import Any

from odradek.protocol.primitives import Buffer
from odradek_broker.ports.disk import AlreadyLocked

PLENTY = 1 << 40


class _Content:
    """What a name stands for."""

    __slots__ = ("data", "image", "is_named")

    def __init__(self) -> None:
        self.data = bytearray()
        self.image = b""
        self.is_named = False
        """The name is on stable storage."""


class SimDisk:
    """Of one machine."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._files: dict[str, _Content] = {}
        self._directories = {"/"}
        self._locks: set[str] = set()
        self._boots = 1
        self.is_full = False
        self.syncs_fail = False
        self.owner = 0
        """Which life of the process may use it: handles of a dead one do nothing any more."""

    # ------------------------------------------------------------------------------------------------------- faults

    def die(self) -> None:
        """The process is gone, the machine is not."""
        self.owner += 1
        self._locks.clear()

    def lose_power(self) -> None:
        self.die()
        self._boots += 1
        for path, content in list(self._files.items()):
            if not content.is_named and not content.image and self._random.random() < 0.5:
                del self._files[path]
                continue
            unsynced = len(content.data) - len(content.image)
            if content.data[: len(content.image)] != content.image:
                content.data = bytearray(content.image)  # truncated, and that was not synced
            elif unsynced > 0:
                kept = len(content.image) + self._random.randint(0, unsynced)
                if self._random.random() < 0.3:
                    content.data[kept:] = self._random.randbytes(min(unsynced, 200))
                else:
                    del content.data[kept:]
            content.image = bytes(content.data)

    def forget_unsynced(self, directory: str) -> None:
        """Of the files in a directory, what was not synced: as a power cut may."""
        for path, content in self._files.items():
            if posixpath.dirname(path) == directory:
                content.data = bytearray(content.image)

    def copy(self) -> SimDisk:
        """For whoever wants to try something with it."""
        copy = SimDisk(Random(0))
        copy._directories = set(self._directories)
        for path, content in self._files.items():
            file = copy._files[path] = _Content()
            file.data, file.image, file.is_named = bytearray(content.data), content.image, content.is_named
        return copy

    def wipe(self) -> None:
        self._files.clear()
        self._directories = {"/"}

    # ---------------------------------------------------------------------------------------------- the port's calls

    def open(self, path: str, *, create: bool = False) -> SimFile:
        content = self._files.get(path)
        if content is None:
            if not create:
                raise FileNotFoundError(errno.ENOENT, "no such file", path)
            self.check_space()
            content = self._files[path] = _Content()
        return SimFile(self, content)

    def exists(self, path: str) -> bool:
        return path in self._files or path in self._directories

    def is_dir(self, path: str) -> bool:
        return path in self._directories

    def list(self, path: str) -> list[str]:
        inside = [each for each in (*self._files, *self._directories) if posixpath.dirname(each) == path]
        return sorted(posixpath.basename(each) for each in inside if each != path)

    def size(self, path: str) -> int:
        return len(self._find(path).data)

    def modified_ms(self, path: str) -> int:
        return 0

    def make_dirs(self, path: str) -> None:
        while path not in self._directories:
            self._directories.add(path)
            path = posixpath.dirname(path)

    def rename(self, path: str, to: str) -> None:
        if path in self._directories:
            self._directories = {to + each[len(path) :] if _is_in(each, path) else each for each in self._directories}
            self._files = {to + each[len(path) :] if _is_in(each, path) else each: f for each, f in self._files.items()}
        else:
            self._files[to] = self._find(path)
            del self._files[path]

    def remove(self, path: str) -> None:
        self._find(path)
        del self._files[path]

    def remove_dir(self, path: str) -> None:
        self._directories.discard(path)

    def sync_file(self, path: str) -> None:
        self.check_sync()
        content = self._find(path)
        content.image = bytes(content.data)

    def sync_dir(self, path: str) -> None:
        self.check_sync()
        for each, content in self._files.items():
            if posixpath.dirname(each) == path:
                content.is_named = True

    def read_file(self, path: str) -> bytes:
        return bytes(self._find(path).data)

    def replace_file(self, path: str, data: Buffer, *, sync: bool = True) -> None:
        self.check_space()
        content = _Content()
        content.data = bytearray(data)
        if sync:
            self.check_sync()
            content.image, content.is_named = bytes(data), True
        self._files[path] = content

    def free_bytes(self, path: str) -> int:
        return 0 if self.is_full else PLENTY

    def total_bytes(self, path: str) -> int:
        return PLENTY

    def lock(self, path: str) -> SimLock:
        if path in self._locks:
            raise AlreadyLocked(path)
        self._locks.add(path)
        return SimLock(self, path)

    def unlock(self, path: str) -> None:
        self._locks.discard(path)

    def boot_id(self) -> str:
        return str(self._boots)

    def check_space(self) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "no space left on device")

    def check_sync(self) -> None:
        if self.syncs_fail:
            raise OSError(errno.EIO, "sync failed")

    def _find(self, path: str) -> _Content:
        try:
            return self._files[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such file", path) from None


def _is_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory + "/")


class SimMount:
    """The disk as one life of a process has it: once that is over nothing it does has an effect."""

    def __init__(self, disk: SimDisk) -> None:
        self._disk = disk
        self._owner = disk.owner

    def __getattr__(self, name: str) -> Any:
        if self._disk.owner != self._owner:
            raise OSError(errno.EIO, "this process is dead")
        return getattr(self._disk, name)


class SimLock:
    def __init__(self, disk: SimDisk, path: str) -> None:
        self._disk = disk
        self._path = path
        self._owner = disk.owner

    def release(self) -> None:
        if self._disk.owner == self._owner:
            self._disk.unlock(self._path)


class SimFile:
    """An open file of one life of a process."""

    def __init__(self, disk: SimDisk, content: _Content) -> None:
        self._disk = disk
        self._content = content
        self._owner = disk.owner
        self.size = len(content.data)

    def append(self, *buffers: Buffer) -> int:
        self._check_alive()
        self._disk.check_space()
        position = self.size
        del self._content.data[position:]
        for each in buffers:
            self._content.data += each
        self.size = len(self._content.data)
        return position

    def write_at(self, position: int, data: Buffer) -> None:
        self._check_alive()
        self._content.data[position : position + len(data)] = data

    def read(self, position: int, length: int) -> bytes:
        return bytes(self._content.data[position : min(position + length, self.size)])

    def truncate(self, size: int) -> None:
        self._check_alive()
        del self._content.data[size:]
        self.size = size

    def sync(self) -> None:
        self._check_alive()
        self._disk.check_sync()
        self._content.image = bytes(self._content.data)

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        pass

    def _check_alive(self) -> None:
        if self._disk.owner != self._owner:
            raise OSError(errno.EIO, "this process is dead")
