"""What clients are told when the disk fails: never that a record is safe which is not, and no more than is lost."""

from __future__ import annotations

import select
import socket
import struct
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from odradek.protocol.errors import ErrorCode
from tests.server.failing_disk import PATIENCE_SECONDS, FailingDisk
from tests.server.served_broker import Peer, fetch, produce, serving

STORAGE_ERROR = ErrorCode.KAFKA_STORAGE_ERROR


async def nothing_has_come(peer: Peer) -> bool:
    """Whether the broker, which has done all it can do now, has sent nothing."""
    await wait_all_tasks_blocked()
    readable, _, _ = select.select([peer.stream.socket], [], [], 0)
    return not readable


async def test_a_failed_sync_is_told_and_takes_the_partition_out_of_use(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with serving(tmp_path, disk=disk) as served:
        peer, neighbour = await served.connect(), await served.connect()
        await peer.make_topic("t")
        await peer.make_topic("sound")
        assert (await peer.produce(produce(b"safe"))).error_code == ErrorCode.NONE
        disk.failing_syncs = {"t-0"}
        assert (await peer.produce(produce(b"lost"))).error_code == STORAGE_ERROR
        # The kernel reports a failed sync once, and then takes the pages for written: success now would mean nothing.
        disk.failing_syncs = set()
        for acks in (-1, 1):
            assert (await peer.produce(produce(b"again", acks=acks))).error_code == STORAGE_ERROR
        assert (await peer.fetch(fetch(0))).error_code == STORAGE_ERROR
        assert (await neighbour.produce(produce(b"other", topic="sound"))).error_code == ErrorCode.NONE
        assert await neighbour.values("sound") == [b"other"]


async def test_who_waits_at_a_partition_when_its_sync_fails_is_told_at_once(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with serving(tmp_path, disk=disk) as served:
        first, second, reader = [await served.connect() for _ in range(3)]
        await first.make_topic()
        await reader.send(fetch(0, max_wait_ms=60_000), 11)
        disk.failing_syncs = {"t-0"}
        with disk.syncs_held("t-0") as begun:
            await first.send(produce(b"a"), 9)
            assert await trio.to_thread.run_sync(begun.wait, PATIENCE_SECONDS)
            await second.send(produce(b"b"), 9)  # for the next flush, which will never be
            await wait_all_tasks_blocked()
        assert (await first.receive_produced()).error_code == STORAGE_ERROR
        assert (await second.receive_produced()).error_code == STORAGE_ERROR


async def test_a_start_after_a_failed_sync_recovers_what_is_on_the_disk(tmp_path: Path) -> None:
    """The stop was orderly, but nobody knows what the disk has: the next start has to look."""
    disk = FailingDisk()
    async with serving(tmp_path, disk=disk) as served:
        peer = await served.connect()
        await peer.make_topic()
        assert (await peer.produce(produce(b"safe"))).error_code == ErrorCode.NONE
        disk.failing_syncs = {"t-0"}
        assert (await peer.produce(produce(b"in doubt"))).error_code == STORAGE_ERROR
    disk.failing_syncs = set()
    assert not (tmp_path / ".kafka_cleanshutdown").exists()
    async with serving(tmp_path, disk=disk) as served:
        peer = await served.connect()
        partition = served.broker.partitions["t", 0]
        assert partition.log.recovery is not None
        assert (await peer.values())[0] == b"safe"
        assert (await peer.produce(produce(b"after"))).error_code == ErrorCode.NONE
        assert (await peer.values())[-1] == b"after"


@pytest.mark.parametrize("acks", [-1, 1])
async def test_a_full_disk_refuses_writes_until_there_is_space_and_loses_nothing(tmp_path: Path, acks: int) -> None:
    disk = FailingDisk()
    async with serving(tmp_path, disk=disk) as served:
        peer = await served.connect()
        await peer.make_topic()
        assert (await peer.produce(produce(b"before", acks=acks))).error_code == ErrorCode.NONE
        disk.is_full = True
        for _ in range(3):
            assert (await peer.produce(produce(b"refused", acks=acks))).error_code == STORAGE_ERROR
            assert await peer.values() == [b"before"]
        disk.is_full = False
        assert (await peer.produce(produce(b"after", acks=acks))).error_code == ErrorCode.NONE
    async with serving(tmp_path, disk=disk) as served:
        assert await (await served.connect()).values() == [b"before", b"after"]


async def test_small_files_that_cannot_be_written_do_not_end_the_life_of_a_partition(tmp_path: Path) -> None:
    """Its first flush writes the leader epochs; these can wait, for the batches have them too."""
    disk = FailingDisk()
    async with serving(tmp_path, disk=disk) as served:
        peer = await served.connect()
        await peer.make_topic()
        disk.refuses_small_files = True
        assert (await peer.produce(produce(b"a"))).error_code == ErrorCode.NONE
        disk.refuses_small_files = False
        assert (await peer.produce(produce(b"b"))).error_code == ErrorCode.NONE
        assert await peer.values() == [b"a", b"b"]


async def test_a_stop_that_cannot_write_its_small_files_is_no_clean_one(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with serving(tmp_path, disk=disk) as served:
        peer = await served.connect()
        await peer.make_topic()
        disk.refuses_small_files = True
        assert (await peer.produce(produce(b"a"))).error_code == ErrorCode.NONE
    disk.refuses_small_files = False
    assert not (tmp_path / ".kafka_cleanshutdown").exists()
    async with serving(tmp_path, disk=disk) as served:
        assert await (await served.connect()).values() == [b"a"]


async def test_topics_cannot_be_made_on_a_full_disk_and_can_be_afterwards(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with serving(tmp_path, disk=disk) as served:
        peer = await served.connect()
        disk.is_full = True
        with pytest.raises(AssertionError, match=f"error_code={STORAGE_ERROR.value}"):
            await peer.make_topic()
        disk.is_full = False
        await peer.make_topic()
        assert (await peer.produce(produce(b"a"))).error_code == ErrorCode.NONE


async def test_nothing_that_is_not_flushed_is_acknowledged_or_shown(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with serving(tmp_path, disk=disk, log_flush_policy="sync") as served:
        patient, hasty, reader, neighbour = [await served.connect() for _ in range(4)]
        await patient.make_topic()
        await patient.make_topic("other")
        assert (await patient.produce(produce(b"flushed"))).error_code == ErrorCode.NONE
        with disk.syncs_held("t-0") as begun:
            await patient.send(produce(b"acks all"), 9)
            assert await trio.to_thread.run_sync(begun.wait, PATIENCE_SECONDS)
            await hasty.send(produce(b"acks 1", acks=1), 9)
            assert await nothing_has_come(hasty)
            seen = await reader.fetch(fetch(0))
            assert seen.high_watermark == seen.last_stable_offset == 1
            assert await reader.values() == [b"flushed"]
            assert await nothing_has_come(patient)
            # Other partitions flush meanwhile.
            assert (await neighbour.produce(produce(b"x", topic="other"))).error_code == ErrorCode.NONE
            await reader.send(fetch(1, max_wait_ms=60_000), 11)
            assert await nothing_has_come(reader)
        assert (await patient.receive_produced()).base_offset == 1
        assert (await hasty.receive_produced()).base_offset == 2
        assert await hasty.values() == [b"flushed", b"acks all", b"acks 1"]


async def test_a_connection_that_ends_leaves_nobody_waiting(tmp_path: Path) -> None:
    """Neither the request whose answer was awaited, nor those whose turn had not come."""
    disk = FailingDisk()
    async with serving(tmp_path, disk=disk, log_flush_policy="sync") as served:
        peer, other = await served.connect(), await served.connect()
        await other.make_topic()
        partition = served.broker.partitions["t", 0]
        with disk.syncs_held("t-0") as begun:
            await other.send(produce(b"stays"), 9)
            assert await trio.to_thread.run_sync(begun.wait, PATIENCE_SECONDS)
            for _ in range(3):
                await peer.send(produce(b"goes"), 9)
            with trio.fail_after(PATIENCE_SECONDS):
                while len(partition._commits) < 4:  # noqa: ASYNC110 (nobody is told)
                    await trio.sleep(0.001)
                peer.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await peer.stream.aclose()  # with a reset
                while len(partition._commits) > 1:  # noqa: ASYNC110
                    await trio.sleep(0.001)
        assert (await other.receive_produced()).error_code == ErrorCode.NONE


async def test_log_flush_policy_interval_waits_for_no_sync(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with serving(tmp_path, disk=disk, log_flush_policy="interval") as served:
        peer = await served.connect()
        await peer.make_topic()
        with disk.syncs_held("t-0"):
            assert (await peer.produce(produce(b"a"))).error_code == ErrorCode.NONE
            assert await peer.values() == [b"a"]
