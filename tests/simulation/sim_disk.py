"""A disk in memory that keeps what was synced apart from what was not, and at a power cut loses of the latter.

What becomes of bytes is said in sim_content.py, what becomes of names in sim_names.py. A process that dies alone loses
nothing. Besides, a disk can be full, refuse any call by a plan, and turn over a bit of what it has kept for long.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from sim_clock import EPOCH_MS
from sim_content import Content
from sim_names import Directory, Names

from odradek.protocol.primitives import Buffer
from odradek_broker.ports.disk import AlreadyLocked

PLENTY = 1 << 40

READS = frozenset({"open", "list", "read", "read_file"})
WRITES = frozenset({"create", "append", "write_at", "truncate", "make_dirs", "rename", "remove", "replace_file"})
SYNCS = frozenset({"sync", "sync_file", "sync_dir"})
NEED_SPACE = frozenset({"create", "append", "make_dirs", "replace_file"})


class Failure:
    """Calls that go wrong: those of `calls` at paths that begin with `under`, not the first `after`, then `times`."""

    def __init__(
        self,
        error: int,
        calls: frozenset[str] = READS | WRITES | SYNCS,
        *,
        under: str = "",
        after: int = 0,
        times: int | None = None,
        chance: float = 1.0,
    ) -> None:
        self.error = error
        self.calls = calls
        self.under = under
        self.after = after
        self.times = times
        """Without an end, where it is None."""
        self.chance = chance
        self.met = 0
        """How often it has struck."""

    def strikes(self, call: str, path: str, random: Random) -> bool:
        if call not in self.calls or not path.startswith(self.under) or self.met == self.times:
            return False
        if self.after:
            self.after -= 1
            return False
        if self.chance < 1.0 and random.random() >= self.chance:
            return False
        self.met += 1
        return True


class SimDisk:
    """Of one machine."""

    is_spared = False
    """Of all disks: while an onlooker reads what a broker has, no call fails."""

    def __init__(self, random: Random, now_s: Callable[[], float] = lambda: 0.0) -> None:
        """`now_s`: the world's time."""
        self._random = random
        self._now_s = now_s
        self._names = Names()
        self._locks: set[str] = set()
        self._failures: list[Failure] = []
        self._boots = 1
        self.is_full = False
        self.syncs_fail = False
        self.replaced: Counter[str] = Counter()
        """How often files were, by name, or by suffix where the name is an offset."""
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
        self._names.lose_power(self._random)
        for _, content in self._names.files():
            content.lose_power(self._random)

    def fail(self, failure: Failure) -> Failure:
        self._failures.append(failure)
        return failure

    def heal(self) -> None:
        """Nothing fails any more. What is lost stays lost."""
        self.is_full = self.syncs_fail = False
        self._failures.clear()

    def drop_caches(self) -> list[str]:
        """What is clean is read from the disk again: who trusted pages that only the system still had is found out.

        Return the paths of files that are not what they were.
        """
        changed = []
        for path, content in self._names.files():
            before = bytes(content.data)
            content.drop_caches()
            if content.data != before:
                changed.append(path)
        return changed

    def rot(self, before_s: float, is_meant: Callable[[str], bool] = lambda path: True) -> tuple[str, int] | None:
        """Turn over one bit of what has been on stable storage since then, in any file that is meant.

        Return its path and position; None where there is none. The system may still have the page as it was, until it
        drops its caches or loses power.
        """
        found = [(path, content, content.aged_bytes(before_s)) for path, content in self._names.files()]
        found = [each for each in found if each[2] and is_meant(each[0])]
        if not found:
            return None
        path, content, aged_bytes = self._random.choice(found)
        position = self._random.randrange(aged_bytes)
        content.flip(position, self._random.randrange(8), is_cached=self._random.random() < 0.5)
        return path, position

    def flip(self, path: str, position: int, bit: int) -> None:
        """Turn over that bit, for all to see."""
        self._names.file(path).flip(position, bit, is_cached=False)

    def forget_unsynced(self, directory: str) -> None:
        """Of the files in a directory, what was not synced: as a power cut may."""
        for path, content in self._names.files():
            if posixpath.dirname(path) == directory:
                content.lose_unsynced()

    def copy(self, under: str = "/") -> SimDisk:
        """For whoever wants to try something with it: of the files below a directory."""
        copy = SimDisk(Random(0))
        copy.make_dirs(under)
        for path, content in self._names.files(self._names.directory(under), under.rstrip("/")):
            copy.make_dirs(posixpath.dirname(path))
            copy._names.bind(path, content.copy())
        return copy

    def wipe(self) -> None:
        self._names = Names()

    # ---------------------------------------------------------------------------------------------- the port's calls

    def open(self, path: str, *, create: bool = False) -> SimFile:
        is_new = create and self._names.find(path) is None
        self.check("create" if is_new else "open", path)
        if is_new:
            self._names.bind(path, Content())
        return SimFile(self, self._names.file(path), path)

    def exists(self, path: str) -> bool:
        return self._names.find(path) is not None

    def is_dir(self, path: str) -> bool:
        return isinstance(self._names.find(path), Directory)

    def list(self, path: str) -> list[str]:
        self.check("list", path)
        names = sorted(self._names.directory(path).entries)
        self._random.shuffle(names)
        return names

    def size(self, path: str) -> int:
        return len(self._names.file(path).data)

    def modified_ms(self, path: str) -> int:
        return EPOCH_MS + int(self._names.file(path).modified_s * 1000)

    def make_dirs(self, path: str) -> None:
        if not self.is_dir(path):
            self.make_dirs(posixpath.dirname(path))
            self.check("make_dirs", path)
            self._names.bind(path, Directory())

    def rename(self, path: str, to: str) -> None:
        self.check("rename", path)
        self._names.move(path, to)

    def remove(self, path: str) -> None:
        self.check("remove", path)
        self._names.file(path)
        self._names.unbind(path)

    def remove_dir(self, path: str) -> None:
        self.check("remove", path)
        if self._names.directory(path).entries:
            raise OSError(errno.ENOTEMPTY, "directory not empty", path)
        self._names.unbind(path)

    def sync_file(self, path: str) -> None:
        self.sync_content("sync_file", path, self._names.file(path))

    def sync_dir(self, path: str) -> None:
        self.check("sync_dir", path)
        self._names.sync(path)

    def read_file(self, path: str) -> bytes:
        self.check("read_file", path)
        return bytes(self._names.file(path).data)

    def replace_file(self, path: str, data: Buffer, *, sync: bool = True) -> None:
        temporary = path + ".tmp"
        self.check("create", temporary)
        content = Content()
        self._names.bind(temporary, content)
        self.check("replace_file", path)
        self.write(content, 0, data)
        if sync:
            self.sync_content("sync_file", temporary, content)
        self.rename(temporary, path)
        name = posixpath.basename(path)
        self.replaced["*" + posixpath.splitext(name)[1] if name[0].isdigit() else name] += 1
        if sync:
            self.sync_dir(posixpath.dirname(path))

    def free_bytes(self, path: str) -> int:
        return 0 if self.is_full else PLENTY

    def total_bytes(self, path: str) -> int:
        return PLENTY

    def lock(self, path: str) -> SimLock:
        if path in self._locks:
            raise AlreadyLocked(path)
        self.open(path, create=True)
        self._locks.add(path)
        return SimLock(self, path)

    def unlock(self, path: str) -> None:
        self._locks.discard(path)

    def boot_id(self) -> str:
        return str(self._boots)

    # ---------------------------------------------------------------------------------------------------- the inside

    def check(self, call: str, path: str) -> None:
        """Raise what the disk has to say against a call."""
        if SimDisk.is_spared:
            return
        if self.is_full and call in NEED_SPACE:
            raise OSError(errno.ENOSPC, "no space left on device")
        if self.syncs_fail and call in SYNCS:
            raise OSError(errno.EIO, "sync failed")
        for failure in self._failures:
            if failure.strikes(call, path, self._random):
                raise OSError(failure.error, os.strerror(failure.error), path)

    def sync_content(self, call: str, path: str, content: Content) -> None:
        try:
            self.check(call, path)
        except OSError:
            content.fail_to_sync(self._random)
            raise
        content.sync(self._now_s())

    def write(self, content: Content, position: int, data: Buffer) -> None:
        content.write(position, data)
        content.modified_s = self._now_s()

    def write_in_part(self, content: Content, position: int, data: bytes) -> None:
        """A write that fails may leave some bytes behind, and these may not let themselves be cut back."""
        if self._random.random() < 0.5:
            self.write(content, position, data[: self._random.randint(0, len(data))])


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

    def __init__(self, disk: SimDisk, content: Content, path: str) -> None:
        self._disk = disk
        self._content = content
        self._path = path
        self._owner = disk.owner
        self.size = len(content.data)

    def append(self, *buffers: Buffer) -> int:
        self._check_alive()
        position = self.size
        if len(self._content.data) > position:
            self._content.truncate(position)
        data = b"".join(buffers)
        try:
            self._disk.check("append", self._path)
        except OSError:
            self._disk.write_in_part(self._content, position, data)
            raise
        self._disk.write(self._content, position, data)
        self.size = position + len(data)
        return position

    def write_at(self, position: int, data: Buffer) -> None:
        self._check_alive()
        assert position + len(data) <= self.size, "write_at stays inside the file"
        self._disk.check("write_at", self._path)
        self._disk.write(self._content, position, data)

    def read(self, position: int, length: int) -> bytes:
        self._disk.check("read", self._path)
        return bytes(self._content.data[position : position + length])

    def truncate(self, size: int) -> None:
        self._check_alive()
        self._disk.check("truncate", self._path)
        self._content.truncate(size)
        self.size = size

    def sync(self) -> None:
        self._check_alive()
        self._disk.sync_content("sync", self._path, self._content)

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        pass

    def _check_alive(self) -> None:
        if self._disk.owner != self._owner:
            raise OSError(errno.EIO, "this process is dead")
