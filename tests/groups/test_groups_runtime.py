"""The Trio side of groups: who waits, for what, and what becomes of it."""

from __future__ import annotations

import struct
from typing import Any

import pytest
import trio
import trio.testing

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.heartbeat import HeartbeatRequest
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from odradek.protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchRequestTopics
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from odradek.protocol.records.builder import BatchBuilder
from odradek_broker.coordination.partitioning import coordinator_partition
from odradek_broker.coordinators.batches import ProducerStamp
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from tests.groups.group_fakes import MemoryBroker, MemoryPartition, running
from tests.groups.group_scene import range_protocol

GROUP = "g"
INDEX = coordinator_partition(GROUP, 4)
SESSION_MS = 10_000


async def join(broker: MemoryBroker, member_id: str = "", version: int = 3) -> JoinGroupResponse:
    request = JoinGroupRequest(GROUP, SESSION_MS, 60_000, member_id, None, "consumer", range_protocol())
    return await broker.groups.join(request, version, "me", "/h")


async def sync(broker: MemoryBroker, member_id: str, generation: int, **shares: str) -> SyncGroupResponse:
    assignments = [SyncGroupRequestAssignment(name, share.encode()) for name, share in shares.items()]
    return await broker.groups.sync(SyncGroupRequest(GROUP, generation, member_id, assignments=assignments))


async def heartbeat(broker: MemoryBroker, member_id: str, generation: int) -> int:
    return (await broker.groups.heartbeat(HeartbeatRequest(GROUP, generation, member_id))).error_code


async def commit(broker: MemoryBroker, offset: int, producer: ProducerStamp | None = None) -> int:
    topic = OffsetCommitRequestTopic("t", partitions=[OffsetCommitRequestPartition(0, offset)])
    response = await broker.groups.commit(OffsetCommitRequest(GROUP, topics=[topic]), producer)
    return response.topics[0].partitions[0].error_code


async def fetch(broker: MemoryBroker) -> int:
    topics = [OffsetFetchRequestTopics("t", partition_indexes=[0])]
    response = await broker.groups.fetch(OffsetFetchRequestGroup(GROUP, topics=topics), require_stable=False)
    return response.topics[0].partitions[0].committed_offset


class Later:
    """Something asked for in the background."""

    def __init__(self) -> None:
        self.outcome: Any = None
        self.error: ErrorCode | None = None

    async def ask(self, call: Any, *args: Any) -> None:
        try:
            self.outcome = await call(*args)
        except CoordinatorUnavailable as unavailable:
            self.error = unavailable.error_code


async def test_a_group_of_two_forms_over_the_runtime(autojump_clock: trio.abc.Clock) -> None:
    async with running(MemoryBroker()) as broker, trio.open_nursery() as nursery:
        first = await join(broker)
        assert first.member_id.startswith("me-")
        await sync(broker, first.member_id, 1)
        second = Later()
        nursery.start_soon(second.ask, join, broker)
        await trio.testing.wait_all_tasks_blocked()
        assert not second.outcome
        assert await heartbeat(broker, first.member_id, 1) == ErrorCode.REBALANCE_IN_PROGRESS
        again = await join(broker, first.member_id)
        await trio.testing.wait_all_tasks_blocked()
        assert {again.generation_id, second.outcome.generation_id} == {2}
        follower = Later()
        nursery.start_soon(follower.ask, sync, broker, second.outcome.member_id, 2)
        await trio.testing.wait_all_tasks_blocked()
        await sync(broker, first.member_id, 2, **{first.member_id: "1", second.outcome.member_id: "2"})
        await trio.testing.wait_all_tasks_blocked()
        assert follower.outcome.assignment == b"2"


async def test_the_initial_delay_is_waited_out(autojump_clock: trio.abc.Clock) -> None:
    async with running(MemoryBroker(group_initial_rebalance_delay_ms=3_000)) as broker:
        began = trio.current_time()
        assert (await join(broker)).generation_id == 1
        assert trio.current_time() - began == pytest.approx(3.0, abs=0.002)


async def test_a_silent_member_is_removed_without_anybody_asking(autojump_clock: trio.abc.Clock) -> None:
    async with running(MemoryBroker()) as broker:
        member = (await join(broker)).member_id
        await sync(broker, member, 1)
        await trio.sleep(SESSION_MS / 1000 - 0.01)
        assert await heartbeat(broker, member, 1) == 0
        await trio.sleep(SESSION_MS / 1000 + 0.01)
        described = await broker.groups.describe(GROUP, 5)
        assert (described.group_state, described.members) == ("Empty", [])


async def test_nothing_is_answered_before_it_is_committed(autojump_clock: trio.abc.Clock) -> None:
    async with running(MemoryBroker()) as broker, trio.open_nursery() as nursery:
        partition = broker.partitions[INDEX]
        partition.holds_commits = True
        committed, fetched = Later(), Later()
        nursery.start_soon(committed.ask, commit, broker, 5)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(fetched.ask, fetch, broker)
        await trio.testing.wait_all_tasks_blocked()
        assert (committed.outcome, fetched.outcome) == (None, None)
        partition.commit()
        await trio.testing.wait_all_tasks_blocked()
        assert (committed.outcome, fetched.outcome) == (0, 5)


async def test_commits_of_one_group_do_not_wait_for_each_other(autojump_clock: trio.abc.Clock) -> None:
    async with running(MemoryBroker()) as broker, trio.open_nursery() as nursery:
        partition = broker.partitions[INDEX]
        partition.holds_commits = True
        several = [Later() for _ in range(5)]
        for offset, each in enumerate(several):
            nursery.start_soon(each.ask, commit, broker, offset)
        await trio.testing.wait_all_tasks_blocked()
        assert partition.log.log_end_offset == 5
        partition.commit()
        await trio.testing.wait_all_tasks_blocked()
        assert [each.outcome for each in several] == [0] * 5


async def test_a_commit_that_is_not_committed_in_time_is_said_to_be_unknown(autojump_clock: trio.abc.Clock) -> None:
    async with running(MemoryBroker(offsets_commit_timeout_ms=5_000)) as broker:
        broker.partitions[INDEX].holds_commits = True
        began = trio.current_time()
        with pytest.raises(CoordinatorUnavailable) as unavailable:
            await commit(broker, 1)
        assert unavailable.value.error_code is ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert trio.current_time() - began == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.UNKNOWN_SERVER_ERROR),
    ],
)
async def test_a_refused_record_changes_nothing(
    refusal: ErrorCode, told: ErrorCode, autojump_clock: trio.abc.Clock
) -> None:
    async with running(MemoryBroker()) as broker:
        await commit(broker, 1)
        broker.partitions[INDEX].refuses = refusal
        with pytest.raises(CoordinatorUnavailable) as unavailable:
            await commit(broker, 2)
        assert unavailable.value.error_code is told
        broker.partitions[INDEX].refuses = None
        assert await fetch(broker) == 1


async def test_everything_is_there_after_a_restart(autojump_clock: trio.abc.Clock) -> None:
    broker = MemoryBroker()
    async with running(broker):
        member = (await join(broker)).member_id
        await sync(broker, member, 1, **{member: "all"})
        await broker.groups.leave(LeaveGroupRequest("other", members=[MemberIdentity("x")]))
        assert await commit(broker, 9) == ErrorCode.UNKNOWN_MEMBER_ID
    again = MemoryBroker()
    again.partitions = broker.partitions
    async with running(again):
        assert await heartbeat(again, member, 1) == 0
        assert (await sync(again, member, 1)).assignment == b"all"


async def test_a_lost_leadership_sends_everybody_away(autojump_clock: trio.abc.Clock) -> None:
    async with running(MemoryBroker()) as broker, trio.open_nursery() as nursery:
        member = (await join(broker)).member_id
        await sync(broker, member, 1)
        waiting = Later()
        nursery.start_soon(waiting.ask, join, broker)
        await trio.testing.wait_all_tasks_blocked()
        broker.partitions[INDEX].is_leader = False
        broker.groups.refresh()
        await trio.testing.wait_all_tasks_blocked()
        assert waiting.error is ErrorCode.NOT_COORDINATOR
        with pytest.raises(CoordinatorUnavailable) as unavailable:
            await heartbeat(broker, member, 1)
        assert unavailable.value.error_code is ErrorCode.NOT_COORDINATOR


async def test_when_the_log_fails_everybody_is_told_and_the_broker_lives_on(autojump_clock: trio.abc.Clock) -> None:
    async with running(MemoryBroker()) as broker, trio.open_nursery() as nursery:
        partition = broker.partitions[INDEX]
        partition.holds_commits = True
        waiting = Later()
        nursery.start_soon(waiting.ask, commit, broker, 1)
        await trio.testing.wait_all_tasks_blocked()
        partition.fail()
        await trio.testing.wait_all_tasks_blocked()
        assert waiting.error is ErrorCode.NOT_COORDINATOR
        with pytest.raises(CoordinatorUnavailable) as unavailable:
            await fetch(broker)
        assert unavailable.value.error_code is ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert (await broker.groups.list_groups())[0] is ErrorCode.COORDINATOR_NOT_AVAILABLE


async def test_a_group_topic_that_was_made_anew_begins_anew(autojump_clock: trio.abc.Clock) -> None:
    async with running(MemoryBroker()) as broker:
        await commit(broker, 1)
        broker.partitions[INDEX] = MemoryPartition()
        assert await fetch(broker) == -1


async def test_a_new_leader_epoch_begins_from_the_log(autojump_clock: trio.abc.Clock) -> None:
    async with running(MemoryBroker()) as broker:
        await commit(broker, 1)
        member = (await join(broker)).member_id
        broker.partitions[INDEX].leader_epoch += 1
        assert await fetch(broker) == 1
        assert await heartbeat(broker, member, 1) == ErrorCode.UNKNOWN_MEMBER_ID


async def test_a_transactions_offsets_wait_for_its_marker_also_over_a_restart(autojump_clock: trio.abc.Clock) -> None:
    for decided in (True, False):
        broker = MemoryBroker()
        async with running(broker):
            await commit(broker, 1)
            assert await commit(broker, 5, ProducerStamp(77, 0)) == 0
            assert await fetch(broker) == 1
        again = MemoryBroker()
        again.partitions = broker.partitions
        async with running(again):
            assert await fetch(again) == 1
            broker.partitions[INDEX].append_internal(marker(77, commit=decided))
            again.groups.complete_transaction(INDEX, 77, commit=decided)
            assert await fetch(again) == (5 if decided else 1)
        last = MemoryBroker()
        last.partitions = broker.partitions
        async with running(last):
            assert await fetch(last) == (5 if decided else 1)


async def test_a_deletion_too_large_for_one_batch_takes_several(autojump_clock: trio.abc.Clock) -> None:
    async with running(MemoryBroker()) as broker:
        topics = [
            OffsetCommitRequestTopic(f"{number}{'x' * 200}", partitions=[OffsetCommitRequestPartition(0, 1)])
            for number in range(3_000)
        ]
        await broker.groups.commit(OffsetCommitRequest(GROUP, topics=topics))
        assert (await broker.groups.delete(GROUP)).error_code == 0
        assert len(broker.partitions[INDEX].log.batches) > 2
        assert max(map(len, broker.partitions[INDEX].log.batches)) < 1_000_000
        assert (await broker.groups.describe(GROUP, 5)).group_state == "Dead"


async def test_offsets_of_a_deleted_topic_go_with_it(autojump_clock: trio.abc.Clock) -> None:
    async with running(MemoryBroker()) as broker:
        await commit(broker, 5)
        old = broker.image
        broker.set_topics("other")
        broker.groups.on_image(old, broker.image)
        assert await fetch(broker) == -1


async def test_without_the_topic_there_is_no_coordinator(autojump_clock: trio.abc.Clock) -> None:
    broker = MemoryBroker()
    broker.set_topics(group_topic=False)
    async with running(broker):
        with pytest.raises(CoordinatorUnavailable) as unavailable:
            await fetch(broker)
        assert unavailable.value.error_code is ErrorCode.COORDINATOR_NOT_AVAILABLE


def marker(producer_id: int, *, commit: bool) -> bytes:
    builder = BatchBuilder()
    builder.append(struct.pack(">hh", 0, int(commit)), struct.pack(">hi", 0, 0), (), 0)
    return bytes(builder.build(producer_id, 0, is_transactional=True, is_control=True))
