"""The metadata's journal, killed or cut from power at every operation on its disk: what was acknowledged is there."""

from __future__ import annotations

import errno
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from msgspec import structs
from sim_disk import SimDisk, SimMount

from odradek.protocol.messages.metadata_records import NoOpRecord
from odradek_broker.controller.file_journal import FileJournal
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay
from odradek_broker.log.failures import LogFailed
from tests.controller.decisions import decisions

pytestmark = pytest.mark.slow

EMPTY = MetadataImage(cluster_id="test")
SNAPSHOT_BYTES = 700
CHANGES = {"open", "make_dirs", "rename", "remove", "replace_file", "append", "truncate"}
SYNCS = {"sync", "sync_dir", "sync_file"}


class Bomb:
    """Counts what changes the disk, and ends the process at one of these: before it is done, or after."""

    def __init__(self, kill: Callable[[], None], at: int, *, after: bool) -> None:
        self._kill, self._at, self._after = kill, at, after
        self.count = 0

    def around(self, call: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        self.count += 1
        if self.count != self._at:
            return call(*arguments, **more)
        if self._after:
            call(*arguments, **more)
        self._kill()
        raise OSError(errno.EIO, "killed")


class Watched:
    """A mounted disk, or one of its files, whose changes go through a bomb."""

    def __init__(self, inner: Any, bomb: Bomb) -> None:
        self._inner, self._bomb = inner, bomb

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in CHANGES | SYNCS:
            return found

        def change(*arguments: Any, **more: Any) -> Any:
            result = self._bomb.around(found, *arguments, **more)
            return Watched(result, self._bomb) if name == "open" else result

        return change


def opened(disk: Any) -> FileJournal:
    return FileJournal("/data", disk, 0, snapshot_bytes=SNAPSHOT_BYTES)


def image_of(journal: FileJournal) -> MetadataImage:
    image = EMPTY
    for entry in journal.replay():
        image = replay(image, entry.records, entry.last_offset)
    return image


def live(disk: Any, acknowledged: list[MetadataImage], decided: list[MetadataImage]) -> None:
    """Two lives of a controller with snapshots, during each of which another decision is made.

    `acknowledged` gets the image after each decision that was, `decided` also that of one that is on its way.
    """
    steps = decisions(Random(1), 50, EMPTY)

    def decide(journal: FileJournal) -> MetadataImage:
        records, image = next(steps)
        decided.append(image)
        journal.append(records, 0)
        acknowledged.append(image)
        return image

    for _ in range(2):
        journal = opened(disk)
        for _ in range(15):
            image = decide(journal)
            if journal.wants_snapshot:
                write = journal.begin_snapshot(image)
                decide(journal)
                write()
                journal.end_snapshot()
        journal.close()


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_operation_leaves_the_image_that_was_acknowledged(*, power: bool, after: bool) -> None:
    at = 0
    while True:
        at += 1
        disk = SimDisk(Random(at))
        disk.make_dirs("/data")
        disk.sync_dir("/")
        bomb = Bomb(disk.lose_power if power else disk.die, at, after=after)
        acknowledged, decided = [EMPTY], [EMPTY]
        try:
            live(Watched(SimMount(disk), bomb), acknowledged, decided)
        except (OSError, LogFailed):
            pass  # it may have been caught at first, and met a dead disk later
        if bomb.count < at:
            break
        journal = opened(SimMount(disk))
        found = image_of(journal)
        assert found in (acknowledged[-1], decided[-1]), f"operation {at}"
        offset = journal.append([NoOpRecord()], 0)
        disk.lose_power()
        assert image_of(opened(SimMount(disk))) == structs.replace(found, offset=offset), f"after operation {at}"
    assert at > 150
