"""Fetch, asked for over a socket: how much comes, when, and what a consumer may not see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import trio
from trio.testing import wait_all_tasks_blocked

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record, decode_records
from tests.server.served_broker import Peer, Served, fetch, produce, produce_batch, serving

ONE_KB = b"x" * 1000
READ_COMMITTED = 1


def fetch_all(
    *partitions: FetchPartition, max_bytes: int = 1 << 20, min_bytes: int = 1, max_wait_ms: int = 0, isolation: int = 0
) -> FetchRequest:
    return FetchRequest(
        max_wait_ms=max_wait_ms,
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        isolation_level=isolation,
        topics=[FetchTopic(topic="t", partitions=list(partitions))],
    )


def part(index: int = 0, offset: int = 0, max_bytes: int = 1 << 20, **more: Any) -> FetchPartition:
    return FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=max_bytes, **more)


async def ask(peer: Peer, request: FetchRequest, version: int = 12) -> Sequence[PartitionData]:
    with trio.fail_after(10):
        return (await peer.ask(request, FetchResponse, version)).responses[0].partitions


def values(data: PartitionData) -> list[bytes | None]:
    return [] if not data.records else [record.value for record in decode_records(cast("memoryview", data.records))]


async def filled(served: Served, partitions: int = 1, batches: int = 3) -> Peer:
    """A peer, and topic t with so many batches of a kilobyte in each partition."""
    peer = await served.connect()
    await peer.make_topic(partitions=partitions)
    for partition in range(partitions):
        for _ in range(batches):
            batch = build_batch([Record(timestamp=1, value=ONE_KB)])
            assert (await peer.produce(produce_batch(batch, partition=partition))).error_code == ErrorCode.NONE
    return peer


async def test_a_partition_gives_no_more_than_asked_for_but_whole_batches(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await filled(served)
        (data,) = await ask(peer, fetch_all(part(max_bytes=2500)))
        assert values(data) == [ONE_KB, ONE_KB]


async def test_the_first_batch_comes_whole_however_small_the_limits(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await filled(served, partitions=2)
        first, second = await ask(peer, fetch_all(part(0, max_bytes=1), part(1, max_bytes=1), max_bytes=1))
        assert values(first) == [ONE_KB]
        assert values(second) == []
        assert second.error_code == ErrorCode.NONE


async def test_the_whole_answer_keeps_to_its_limit_over_all_partitions(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await filled(served, partitions=3)
        found = await ask(peer, fetch_all(part(0), part(1), part(2), max_bytes=4500))
        assert [len(values(data)) for data in found] == [3, 1, 0]


async def test_a_fetch_waits_until_its_minimum_has_come_together(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        reader, writer = await filled(served, batches=1), await served.connect()
        await reader.send(fetch_all(part(), min_bytes=2000, max_wait_ms=60_000), 12)
        await wait_all_tasks_blocked()
        await writer.produce(produce(ONE_KB))
        with trio.fail_after(10):
            _, response = await reader.receive(FetchResponse, 12)
        assert values(response.responses[0].partitions[0]) == [ONE_KB, ONE_KB]


async def test_a_fetch_answers_with_what_there_is_when_its_time_is_over(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await filled(served, batches=1)
        (data,) = await ask(peer, fetch_all(part(), min_bytes=1 << 20, max_wait_ms=50))
        assert values(data) == [ONE_KB]


async def test_an_offset_outside_of_the_log_is_told_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await filled(served)
        for offset in (-1, 4, 1 << 40):
            (data,) = await ask(peer, fetch_all(part(offset=offset), max_wait_ms=60_000))
            assert data.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
            assert data.high_watermark == -1
        (data,) = await ask(peer, fetch_all(part(offset=3)))
        assert (data.error_code, values(data), data.high_watermark) == (ErrorCode.NONE, [], 3)


async def test_a_reader_of_committed_records_learns_of_the_stable_offset_and_of_no_aborts(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await filled(served)
        (data,) = await ask(peer, fetch_all(part(), isolation=READ_COMMITTED))
        assert (data.last_stable_offset, data.aborted_transactions, len(values(data))) == (3, [], 3)
        (data,) = await ask(peer, fetch_all(part()))
        assert (data.last_stable_offset, data.aborted_transactions) == (3, None)


async def test_a_consumer_of_another_leader_epoch_is_told_which_of_the_two_is_old(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await filled(served)
        epoch = served.broker.partitions["t", 0].leader_epoch
        (data,) = await ask(peer, fetch_all(part(current_leader_epoch=epoch + 1)))
        assert data.error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
        (data,) = await ask(peer, fetch_all(part(current_leader_epoch=epoch)))
        assert data.error_code == ErrorCode.NONE
    async with serving(tmp_path) as served:  # who comes back leads in a new epoch
        peer = await served.connect()
        (data,) = await ask(peer, fetch_all(part(current_leader_epoch=epoch)))
        assert data.error_code == ErrorCode.FENCED_LEADER_EPOCH


async def test_a_reader_ahead_of_its_epochs_end_is_told_where_the_logs_part(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await filled(served, batches=3)
        old = served.broker.partitions["t", 0].leader_epoch
    async with serving(tmp_path) as served:
        peer = await served.connect()
        for value in (b"a", b"b"):
            await peer.produce(produce(value))
        (data,) = await ask(peer, fetch_all(part(offset=5, last_fetched_epoch=old)))
        assert (data.diverging_epoch.epoch, data.diverging_epoch.end_offset) == (old, 3)
        assert values(data) == []
        (data,) = await ask(peer, fetch_all(part(offset=3, last_fetched_epoch=old)))
        assert (data.diverging_epoch.epoch, values(data)) == (-1, [b"a", b"b"])


async def test_an_orderly_stop_needs_no_recovery_and_loses_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await filled(served)
    async with serving(tmp_path) as served:
        assert served.broker.partitions["t", 0].log.recovery is None
        peer = await served.connect()
        assert (await peer.fetch(fetch(0))).high_watermark == 3
        assert await peer.values() == [ONE_KB] * 3
