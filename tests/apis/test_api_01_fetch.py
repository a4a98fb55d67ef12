"""What a leader takes from a follower's fetch for a claim to all before its offset, and what only a leader says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
    ReplicaState,
)
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.apis import Caller, RequestContext, api_01_fetch
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.image import PartitionImage
from odradek_broker.log.config import LogConfig
from odradek_broker.log.log import Log
from odradek_broker.partitions.fetch import read_partition
from odradek_broker.partitions.fetch_sessions import FetchSessions
from odradek_broker.partitions.flusher import Flusher
from odradek_broker.partitions.partition import Partition
from odradek_broker.ports.disk import RealDisk
from odradek_broker.ports.workers import ThreadWorkers

TOPIC_ID = b"t" * 16
NOW = SimpleNamespace(now_ms=lambda: 1, monotonic_ms=lambda: 1)
LEADER_EPOCH, BROKER_EPOCH, RECORDS = 5, 70, 4


@pytest.fixture
async def partition(tmp_path: Path) -> Partition:
    """Four records of the epochs 3 and 5, committed by nobody."""
    log = Log.open(str(tmp_path / "t-0"), RealDisk(), LogConfig(), topic_id=TOPIC_ID, clean=True, now_ms=0)
    flusher = Flusher(ThreadWorkers(1), sync=False, doubt_caches=lambda: None)
    made = Partition("t", 0, TOPIC_ID, log, node_id=1, high_watermark=0, flusher=flusher, clock=NOW)
    for epoch in (3, LEADER_EPOCH):
        made.lead(PartitionImage(replicas=(1, 2), isr=(1, 2), leader=1, leader_epoch=epoch))
        for _ in range(RECORDS // 2):
            made.append_internal(build_batch([Record(timestamp=1, value=b"v")]))
    return made


async def fetch(partition: Partition, offset: int, epoch: int, last_fetched: int, broker: int = BROKER_EPOCH) -> None:
    await ask(partition, offset, epoch, last_fetched, ReplicaState(2, broker))


async def consume(partition: Partition, offset: int, epoch: int, last_fetched: int) -> PartitionData:
    response = await ask(partition, offset, epoch, last_fetched, ReplicaState())
    return response.responses[0].partitions[0]


async def ask(
    partition: Partition,
    offset: int,
    epoch: int,
    last_fetched: int,
    who: ReplicaState,
    max_wait_ms: int = 0,
    *,
    topics: int = 1,
    knows: Callable[[object, str], bool] = lambda principal, listener: True,
) -> FetchResponse:
    asked = FetchPartition(
        partition=0,
        fetch_offset=offset,
        current_leader_epoch=epoch,
        last_fetched_epoch=last_fetched,
        partition_max_bytes=1000,
    )
    named = [FetchTopic(topic_id=bytes([each]) + TOPIC_ID[1:], partitions=[asked]) for each in range(topics)]
    request = FetchRequest(replica_state=who, min_bytes=1, max_wait_ms=max_wait_ms, max_bytes=1000, topics=named)
    around = SimpleNamespace(
        fetch_sessions=FetchSessions(1, 100, cast(Any, None)),
        known_brokers=SimpleNamespace(knows=knows),
        clock=NOW,
        config=BrokerConfig(),
        context=SimpleNamespace(config=BrokerConfig()),
        topic_name=lambda topic_id: "t",
        replicas=SimpleNamespace(partition=lambda topic, index, follower_too=False: partition),
        replica_logs=None,
        is_stopping=False,
        isr_changes=SimpleNamespace(maybe_expand_isr=lambda partition: None),
    )
    context = RequestContext(cast(Any, around), {}, 17, "f", Caller(("h", 1), ("h", 2)))
    return cast(FetchResponse, await api_01_fetch.handle(request, context))


async def test_all_before_the_offset_of_a_fetch_is_with_the_follower(partition: Partition) -> None:
    await fetch(partition, 3, LEADER_EPOCH, LEADER_EPOCH)
    assert partition.high_watermark == 3


@pytest.mark.parametrize(
    ("offset", "epoch", "last_fetched", "why"),
    [
        (4, 4, 4, "it was meant for a leader before"),
        (4, 6, 5, "it is about a leader to come"),
        (4, -1, 5, "it does not say which leader it means"),
        (4, LEADER_EPOCH, 3, "its log parts from ours"),
        (9, LEADER_EPOCH, -1, "an empty log, which begins where ours does not reach"),
    ],
)
async def test_a_fetch_that_is_not_about_a_beginning_of_this_log_claims_nothing(
    partition: Partition, offset: int, epoch: int, last_fetched: int, why: str
) -> None:
    await fetch(partition, offset, epoch, last_fetched)
    assert partition.high_watermark == 0, why


@pytest.mark.parametrize("is_known", [True, False])
async def test_whether_a_follower_is_a_broker_is_asked_once_however_many_partitions_it_fetches(
    partition: Partition, *, is_known: bool
) -> None:
    asked: list[str] = []

    def knows(principal: object, listener: str) -> bool:
        asked.append(listener)
        return is_known

    who = ReplicaState(2, BROKER_EPOCH)
    response = await ask(partition, 3, LEADER_EPOCH, LEADER_EPOCH, who, topics=9, knows=knows)
    errors = {each.partitions[0].error_code for each in response.responses}
    assert errors == {ErrorCode.NONE if is_known else ErrorCode.TOPIC_AUTHORIZATION_FAILED}
    assert (len(response.responses), len(asked)) == (9, 1)
    assert partition.high_watermark == (3 if is_known else 0)


async def test_a_late_fetch_of_an_earlier_life_claims_nothing(partition: Partition) -> None:
    await fetch(partition, 1, LEADER_EPOCH, 3, broker=BROKER_EPOCH + 5)
    await fetch(partition, 4, LEADER_EPOCH, LEADER_EPOCH, broker=BROKER_EPOCH)
    assert partition.high_watermark == 1


async def test_what_is_out_of_range_only_the_leader_says(partition: Partition) -> None:
    """A follower may be behind, or empty: a consumer that believed it would begin anew."""
    assert (await consume(partition, 9, LEADER_EPOCH, -1)).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    partition.follow(PartitionImage(replicas=(1, 2), isr=(1, 2), leader=2, leader_epoch=6))
    assert (await consume(partition, 9, 6, -1)).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER


async def test_where_logs_part_only_the_leader_says(partition: Partition) -> None:
    assert (await consume(partition, 4, LEADER_EPOCH, 4)).diverging_epoch.end_offset == 2
    partition.follow(PartitionImage(replicas=(1, 2), isr=(1, 2), leader=2, leader_epoch=6))
    told = await consume(partition, 4, 6, 4)
    assert (told.error_code, told.diverging_epoch.end_offset) == (ErrorCode.NONE, -1)


async def test_a_follower_that_has_all_is_looked_for_when_there_is_more_and_told_the_same(
    partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def look(*arguments: Any, **named: Any) -> PartitionData:
        looks.append(partition.log.log_end_offset)
        return read_partition(*arguments, **named)

    monkeypatch.setattr(api_01_fetch, "read_partition", look)
    answers: list[PartitionData] = []

    async def follow() -> None:
        who = ReplicaState(2, BROKER_EPOCH)
        response = await ask(partition, RECORDS, LEADER_EPOCH, LEADER_EPOCH, who, max_wait_ms=60_000)
        answers.append(response.responses[0].partitions[0])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        await wait_all_tasks_blocked()
        assert (partition.high_watermark, looks) == (RECORDS, [])
        partition.append_internal(build_batch([Record(timestamp=1, value=b"more")]))
    assert looks == [RECORDS + 1]
    assert (answers[0].error_code, answers[0].high_watermark) == (ErrorCode.NONE, RECORDS)
    assert answers[0].records


@pytest.mark.parametrize(
    ("offset", "epoch", "last_fetched"),
    [(RECORDS - 1, LEADER_EPOCH, LEADER_EPOCH), (RECORDS, 4, LEADER_EPOCH), (RECORDS, LEADER_EPOCH, 3)],
)
async def test_a_follower_of_whom_more_is_to_be_said_is_answered_at_once(
    partition: Partition, offset: int, epoch: int, last_fetched: int
) -> None:
    with trio.fail_after(5):
        await ask(partition, offset, epoch, last_fetched, ReplicaState(2, BROKER_EPOCH), max_wait_ms=60_000)


async def test_a_follower_that_has_all_is_told_the_watermark_when_its_time_is_over(
    partition: Partition, autojump_clock: trio.testing.MockClock
) -> None:
    who = ReplicaState(2, BROKER_EPOCH)
    response = await ask(partition, RECORDS, LEADER_EPOCH, LEADER_EPOCH, who, max_wait_ms=500)
    told = response.responses[0].partitions[0]
    assert (told.error_code, told.high_watermark, told.log_start_offset) == (ErrorCode.NONE, RECORDS, 0)
    assert not told.records
