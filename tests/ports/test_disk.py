"""The real disk keeps the promises of the port."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from odradek_broker.ports import disk as disk_port
from odradek_broker.ports.disk import AlreadyLocked, RealDisk


@pytest.fixture
def disk() -> RealDisk:
    return RealDisk()


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "file")


def test_what_is_appended_is_read_back_where_append_said(disk: RealDisk, path: str) -> None:
    file = disk.open(path, create=True)
    assert file.append(b"abc") == 0
    assert file.append(b"de", bytearray(b"fg"), memoryview(b"h")) == 3
    assert (file.size, file.read(0, 100), file.read(3, 2), file.read(8, 5)) == (8, b"abcdefgh", b"de", b"")
    file.write_at(1, b"XY")
    assert disk.read_file(path) == b"aXYdefgh"
    file.truncate(4)
    assert file.append(b"!") == 4 and disk.read_file(path) == b"aXYd!"
    assert disk.open(path).size == 5


def test_a_file_that_is_not_there_is_only_made_when_asked_for(disk: RealDisk, path: str) -> None:
    with pytest.raises(FileNotFoundError):
        disk.open(path)
    disk.open(path, create=True)
    assert disk.exists(path) and disk.size(path) == 0


def test_a_write_that_is_done_in_part_is_carried_on(disk: RealDisk, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may write less than it was given: at its own limit, or when a signal comes."""
    real_write, real_many = os.pwrite, os.pwritev
    monkeypatch.setattr(disk_port, "_write", lambda fd, data, at: real_write(fd, memoryview(data)[:3], at))
    monkeypatch.setattr(os, "pwritev", lambda fd, buffers, at: real_many(fd, [memoryview(buffers[0])[:2]], at))
    file = disk.open(path, create=True)
    assert file.append(b"0123456789") == 0
    assert file.append(b"abcdef", b"ghi") == 10
    assert file.size == 19 and disk.read_file(path) == b"0123456789abcdefghi"


@pytest.mark.parametrize("pieces", [(b"0123456789",), (b"01234", b"56789")])
def test_a_write_that_fails_half_way_leaves_the_file_as_it_was(
    disk: RealDisk, path: str, monkeypatch: pytest.MonkeyPatch, pieces: tuple[bytes, ...]
) -> None:
    file = disk.open(path, create=True)
    file.append(b"before")
    real = os.pwrite
    room = [4]

    def write(descriptor: int, data: bytes, position: int) -> int:
        if room[0] == 0:
            raise OSError(errno.ENOSPC, "full")
        count = min(len(data), room[0])
        room[0] -= count
        return real(descriptor, memoryview(data)[:count], position)

    monkeypatch.setattr(disk_port, "_write", write)
    monkeypatch.setattr(disk_port, "_write_many", lambda fd, buffers, at: write(fd, b"".join(buffers), at))
    with pytest.raises(OSError, match="full"):
        file.append(*pieces)
    assert file.size == 6 and disk.read_file(path) == b"before"
    room[0] = 100
    assert file.append(b"after") == 6 and disk.read_file(path) == b"beforeafter"


def test_bytes_that_could_not_be_cut_back_are_cut_before_the_next_write(
    disk: RealDisk, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = disk.open(path, create=True)
    file.append(b"before")
    real_write, real_truncate = os.pwrite, os.ftruncate
    outcomes: list[int | OSError] = [4, OSError(errno.ENOSPC, "full")]
    writes = iter(outcomes)

    def write(descriptor: int, data: bytes, position: int) -> int:
        outcome = next(writes)
        if isinstance(outcome, OSError):
            raise outcome
        return real_write(descriptor, memoryview(data)[:outcome], position)

    def refuse(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(disk_port, "_write", write)
    monkeypatch.setattr(os, "ftruncate", refuse)
    with pytest.raises(OSError, match="full"):
        file.append(b"0123456789")
    assert file.size == 6 and disk.size(path) == 10
    monkeypatch.setattr(disk_port, "_write", real_write)
    with pytest.raises(OSError, match="no"):
        file.append(b"x")
    monkeypatch.setattr(os, "ftruncate", real_truncate)
    assert file.append(b"x") == 6 and disk.read_file(path) == b"beforex"


def test_a_file_stays_readable_while_somebody_holds_it_and_is_closed_after(disk: RealDisk, path: str) -> None:
    file = disk.open(path, create=True)
    file.append(b"held")
    disk.remove(path)
    descriptor = file.fileno()
    assert descriptor is not None
    assert file.read(0, 4) == b"held"
    del file
    with pytest.raises(OSError):
        os.fstat(descriptor)


def test_a_file_is_replaced_at_one_stroke(disk: RealDisk, path: str) -> None:
    for sync in (True, False):
        disk.replace_file(path, b"old", sync=sync)
        disk.replace_file(path, b"new", sync=sync)
        assert disk.read_file(path) == b"new" and disk.list(os.path.dirname(path)) == ["file"]


def test_renaming_replaces_and_directories_come_and_go(disk: RealDisk, tmp_path: Path) -> None:
    a, b, directory = (str(tmp_path / name) for name in ("a", "b", "d/e"))
    disk.replace_file(a, b"a")
    disk.replace_file(b, b"b")
    disk.rename(a, b)
    assert disk.read_file(b) == b"a" and not disk.exists(a)
    disk.make_dirs(directory)
    disk.make_dirs(directory)
    assert disk.is_dir(directory) and not disk.is_dir(b)
    disk.sync_dir(str(tmp_path))
    disk.sync_file(b)
    disk.remove_dir(directory)
    assert not disk.exists(directory)
    assert disk.free_bytes(str(tmp_path)) > 0
    assert abs(disk.modified_ms(b) - os.stat(b).st_mtime * 1000) < 10


def test_what_is_created_is_its_owners_alone_whatever_the_umask_says(disk: RealDisk, tmp_path: Path) -> None:
    left = tmp_path / "replaced.tmp"
    left.write_bytes(b"left by a crash")
    left.chmod(0o666)
    umask = os.umask(0)
    try:
        disk.make_dirs(str(tmp_path / "d" / "e"))
        disk.open(str(tmp_path / "d" / "opened"), create=True).append(b"secret")
        for sync in (True, False):
            disk.replace_file(str(tmp_path / f"replaced{'' if sync else '-unsynced'}"), b"secret", sync=sync)
        disk.lock(str(tmp_path / "d" / "e" / "lock")).release()
    finally:
        os.umask(umask)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    files = dict.fromkeys(("opened", "replaced", "replaced-unsynced", "lock"), 0o600)
    assert modes == {"d": 0o700, "e": 0o700, **files}


LOCK = """
import sys
from odradek_broker.ports.disk import AlreadyLocked, RealDisk
try:
    RealDisk().lock(sys.argv[1])
except AlreadyLocked:
    sys.exit(7)
"""


def lock_from_outside(path: str) -> int:
    return subprocess.run([sys.executable, "-c", LOCK, path], check=False).returncode


def test_a_lock_keeps_out_another_process_and_another_part_of_this_one(disk: RealDisk, path: str) -> None:
    lock = disk.lock(path)
    assert lock_from_outside(path) == 7
    with pytest.raises(AlreadyLocked):
        disk.lock(path)
    assert lock_from_outside(path) == 7, "a refused attempt has not let go of it"
    lock.release()
    assert lock_from_outside(path) == 0
    disk.lock(path).release()
