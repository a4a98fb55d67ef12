"""What is written of logs is what holds when it is written, by whomever and whenever it was asked for."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from odradek.protocol.primitives import Buffer
from odradek_broker.log.offset_checkpoints import HIGH_WATERMARKS, NAMES, RECOVERY_POINTS, OffsetCheckpoints
from odradek_broker.ports.disk import RealDisk

A, B = (bytes(range(16)), 0), (bytes(range(16)), 1)


class CountingDisk(RealDisk):
    def __init__(self) -> None:
        self.written: list[str] = []
        self.is_full = False

    def replace_file(self, path: str, data: Buffer, *, sync: bool = True) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "no space left on device")
        assert sync
        self.written.append(path.rsplit("/")[-1])
        super().replace_file(path, data, sync=sync)


@pytest.fixture
def disk() -> CountingDisk:
    return CountingDisk()


@pytest.fixture
def files(tmp_path: Path, disk: CountingDisk) -> OffsetCheckpoints:
    return OffsetCheckpoints(str(tmp_path), disk)


def test_nothing_is_written_where_nothing_has_changed(files: OffsetCheckpoints, disk: CountingDisk) -> None:
    for _ in range(3):
        files.write(RECOVERY_POINTS, lambda _: {A: 5, B: 0})
    assert disk.written == [RECOVERY_POINTS]
    files.write(RECOVERY_POINTS, lambda written: {**written, A: 6})
    assert disk.written == [RECOVERY_POINTS] * 2
    assert dict(files.written(RECOVERY_POINTS)) == {A: 6}, "what is 0 claims nothing"


def test_a_write_that_waits_for_another_writes_what_holds_then(files: OffsetCheckpoints, tmp_path: Path) -> None:
    """The first is slow and has read 10; meanwhile the log is about to be cut to 5."""
    holds, has_read, may_go_on = {A: 10}, threading.Event(), threading.Event()

    def slowly(_: object) -> dict[tuple[bytes, int], int]:
        values = dict(holds)
        has_read.set()
        assert may_go_on.wait(10)
        return values

    first = threading.Thread(target=files.write, args=(RECOVERY_POINTS, slowly))
    first.start()
    assert has_read.wait(10)
    holds[A] = 5
    second = threading.Thread(target=files.write, args=(RECOVERY_POINTS, lambda _: dict(holds)))
    second.start()
    may_go_on.set()
    first.join(10)
    second.join(10)
    assert OffsetCheckpoints(str(tmp_path), RealDisk()).get(RECOVERY_POINTS, A) == 5


def test_a_file_that_cannot_be_written_says_what_it_said(
    files: OffsetCheckpoints, disk: CountingDisk, tmp_path: Path
) -> None:
    files.write(HIGH_WATERMARKS, lambda _: {A: 5})
    disk.is_full = True
    with pytest.raises(OSError, match="no space"):
        files.write(HIGH_WATERMARKS, lambda _: {A: 6})
    assert files.get(HIGH_WATERMARKS, A) == 5
    disk.is_full = False
    files.write(HIGH_WATERMARKS, lambda _: {A: 6})
    assert OffsetCheckpoints(str(tmp_path), RealDisk()).get(HIGH_WATERMARKS, A) == 6


def test_a_log_is_forgotten_in_every_file_and_others_are_not(
    files: OffsetCheckpoints, disk: CountingDisk, tmp_path: Path
) -> None:
    for name in NAMES:
        files.write(name, lambda _: {A: 5, B: 6})
    disk.written.clear()
    files.forget(A)
    files.forget(A)
    assert disk.written == list(NAMES)
    again = OffsetCheckpoints(str(tmp_path), RealDisk())
    assert [(again.get(name, A), again.get(name, B)) for name in NAMES] == [(0, 6)] * len(NAMES)


def test_only_what_says_more_is_lowered(files: OffsetCheckpoints, disk: CountingDisk) -> None:
    files.write(RECOVERY_POINTS, lambda _: {A: 5, B: 6})
    files.write(HIGH_WATERMARKS, lambda _: {A: 2, B: 6})
    disk.written.clear()
    files.lower({A: 3})
    assert disk.written == [RECOVERY_POINTS]
    assert dict(files.written(RECOVERY_POINTS)) == {A: 3, B: 6} and files.get(HIGH_WATERMARKS, A) == 2
