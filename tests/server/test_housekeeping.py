"""What a broker does by itself goes on when the disk refuses some of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import trio
from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.produce import ProduceRequest
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.ports.disk import RealDisk
from tests.server.served_broker import Peer, produce, produce_batch, serving

SMALL = {"segment_bytes": "1048576", "file_delete_delay_ms": "0"}
PATIENCE_SECONDS = 20


class GrudgingDisk(RealDisk):
    """Renames and removes nothing in some partitions, named by their directories."""

    def __init__(self, *refusing: str) -> None:
        self.refusing = set(refusing)
        self.refused = trio.Event()
        self._token = trio.lowlevel.current_trio_token()

    def rename(self, old: str, new: str) -> None:
        self._refuse(old)
        super().rename(old, new)

    def remove(self, path: str) -> None:
        self._refuse(path)
        super().remove(path)

    def _refuse(self, path: str) -> None:
        if os.path.basename(os.path.dirname(path)) in self.refusing:
            self._token.run_sync_soon(self.refused.set)
            raise OSError(errno.EIO, "the disk has no mind to")


def keyed(value: bytes, topic: str) -> ProduceRequest:
    return produce_batch(build_batch([Record(timestamp=1, key=b"k", value=value)]), topic=topic)


async def fill(peer: Peer, topic: str) -> None:
    for _ in range(3):
        assert (await peer.produce(produce(os.urandom(700_000), topic=topic))).error_code == ErrorCode.NONE


async def until_gone(directory: Path, name: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while any(each.startswith(name) for each in os.listdir(directory)):  # noqa: ASYNC110 (files tell nobody)
            await trio.sleep(0.02)


async def test_a_partition_that_cannot_be_trimmed_does_not_keep_others_from_it(tmp_path: Path) -> None:
    disk = GrudgingDisk("a-0")
    async with serving(tmp_path, disk=disk, log_retention_check_interval_ms="20") as served:
        peer = await served.connect()
        for topic in ("a", "b"):
            await peer.make_topic(topic, retention_bytes="100000", **SMALL)
            await fill(peer, topic)
        with trio.fail_after(PATIENCE_SECONDS):
            await disk.refused.wait()
        await until_gone(tmp_path / "b-0", "00000000000000000000.log")
        assert (tmp_path / "a-0" / "00000000000000000000.log").exists()
        assert (await peer.produce(produce(b"on", topic="a"))).error_code == ErrorCode.NONE
    disk.refusing.clear()
    async with serving(tmp_path, disk=disk, log_retention_check_interval_ms="20"):
        await until_gone(tmp_path / "a-0", "00000000000000000000.log")  # what could not go goes at the next start


async def test_compaction_that_fails_leaves_the_log_as_it_is_and_others_are_compacted(tmp_path: Path) -> None:
    disk = GrudgingDisk("a-0")
    async with serving(tmp_path, disk=disk, log_cleaner_backoff_ms="20") as served:
        peer = await served.connect()
        logs = []
        for topic in ("a", "b"):
            await peer.make_topic(topic, min_cleanable_dirty_ratio="0", segment_ms="1", retention_ms="-1", **SMALL)
            logs.append(served.broker.partitions[topic, 0].log)
            for value in (b"old", b"new"):
                await peer.produce(keyed(value, topic))
                logs[-1].roll(0)
        for log in logs:  # only now there is something to compact
            log.config = structs.replace(log.config, cleanup_policy=frozenset({"compact"}))
        with trio.fail_after(PATIENCE_SECONDS):
            await disk.refused.wait()
            while logs[1].first_dirty_offset < 2:  # noqa: ASYNC110
                await trio.sleep(0.02)
        assert (await peer.values("b"))[-1:] == [b"new"]
        assert (await peer.produce(keyed(b"last", "b"))).error_code == ErrorCode.NONE


async def test_nothing_is_compacted_while_the_cleaner_is_off(tmp_path: Path) -> None:
    settings = {"log_cleaner_backoff_ms": "1", "log_retention_check_interval_ms": "1"}
    async with serving(tmp_path, log_cleaner_enable="false", **settings) as served:
        peer = await served.connect()
        await peer.make_topic("a", cleanup_policy="compact", min_cleanable_dirty_ratio="0", segment_ms="1")
        await peer.make_topic("b", retention_ms="0", segment_ms="1", **SMALL)
        for value in (b"old", b"new"):
            await peer.produce(keyed(value, "a"))
            served.broker.partitions["a", 0].log.roll(0)
        assert served.broker.partitions["a", 0].log.begin_compaction(2**62, 2) is not None, "it would be due"
        await peer.produce(produce(b"v", topic="b"))
        await until_gone(tmp_path / "b-0", "00000000000000000000.log")  # housekeeping has gone round many times
        assert served.broker.partitions["a", 0].log.first_dirty_offset == 0
