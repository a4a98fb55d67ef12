"""A consumer in trouble: logs that were cut back, partitions without a leader, a group that moves at a bad moment."""

from __future__ import annotations

import struct
from typing import Any

import pytest
import trio
from crc32c import crc32c
from msgspec.structs import replace

from odradek import CommitFailed, Consumer, CorruptRecords, Producer, TopicPartition
from odradek.consumer.embedded import encode_assignment
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import EpochEndOffset, FetchRequest
from odradek.protocol.messages.heartbeat import HeartbeatRequest
from odradek.protocol.messages.join_group import JoinGroupRequest
from odradek.protocol.messages.leave_group import LeaveGroupRequest
from odradek.protocol.messages.list_offsets import ListOffsetsRequest
from odradek.protocol.messages.metadata import MetadataRequest
from odradek.protocol.messages.offset_commit import OffsetCommitRequest
from odradek.protocol.messages.sync_group import SyncGroupRequest
from tests.client.fake_broker import NODE_ID, FakeBroker

ORDERS = TopicPartition("orders", 0)


@pytest.fixture
async def broker(nursery: trio.Nursery) -> FakeBroker:
    """With ten records in orders, in batches of three."""
    broker = FakeBroker(nursery, orders=1, payments=3)
    async with Producer("fake", surroundings=broker.surroundings, batch_size=60) as producer:
        for i in range(10):
            await producer.send("orders", b"%d" % i, timestamp_ms=1000 + i)
    return broker


async def read(consumer: Consumer[Any, Any], count: int) -> list[int]:
    return [(await anext(consumer)).offset for _ in range(count)]


def with_codes(code: ErrorCode) -> Any:
    """A step of a script: every partition of an OffsetCommit gets the code."""

    def refused(request: Any, answer: Any) -> Any:
        topics = [replace(t, partitions=[replace(p, error_code=code) for p in t.partitions]) for t in answer.topics]
        return replace(answer, topics=topics)

    return refused


def code(code: ErrorCode) -> Any:
    return lambda request, answer: replace(answer, error_code=code)


# ------------------------------------------------------------------------------------------------ logs cut back


async def test_after_a_truncation_nothing_is_passed_over(broker: FakeBroker, autojump_clock: Any) -> None:
    """The leader says that the log was cut back to 6 while the program has record 9 in its hands."""

    def cut_back(request: Any, answer: Any) -> Any:
        if request.topics[0].partitions[0].fetch_offset <= 6:
            return answer
        topic = answer.responses[0]
        data = replace(topic.partitions[0], diverging_epoch=EpochEndOffset(0, 6), records=b"")
        return replace(answer, responses=[replace(topic, partitions=[data])])

    async with Consumer(
        "fake", "orders", group="g", auto_commit_interval_ms=1000, surroundings=broker.surroundings
    ) as consumer:
        assert await read(consumer, 10) == list(range(10))
        broker.script(FetchRequest, *[cut_back] * 1000)
        await trio.sleep(10)
        with trio.fail_after(30):
            assert await read(consumer, 4) == [6, 7, 8, 9]


async def test_an_offset_that_stays_out_of_range_is_not_asked_for_in_a_storm(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    broker.committed["orders", 0] = 55

    def unknown_end(request: Any, answer: Any) -> Any:
        entry = replace(answer.topics[0].partitions[0], offset=55)
        return replace(answer, topics=[replace(answer.topics[0], partitions=[entry])])

    broker.script(ListOffsetsRequest, *[unknown_end] * 10_000)
    async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
        assert await consumer.poll(timeout_s=10) == []
        assert broker.count(FetchRequest) < 10 / 0.1 + 10  # retry_backoff_ms is 100


async def test_what_is_skipped_after_the_last_record_stays_skipped(broker: FakeBroker, autojump_clock: Any) -> None:
    """A control batch behind the records of a poll: the position may not fall back to before it."""
    marker = bytearray(broker.logs["orders", 0][-1])
    struct.pack_into(">q", marker, 0, 10)
    struct.pack_into(">h", marker, 21, 0x30)
    struct.pack_into(">I", marker, 17, crc32c(bytes(marker[21:])))
    broker.logs["orders", 0].append(bytes(marker))
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        seen: list[int] = []
        while len(seen) < 10:
            seen += [record.offset for record in await consumer.poll(100)]
        assert await consumer.poll(timeout_s=2) == []
        assert consumer.position(ORDERS) == 11


async def test_bytes_that_are_no_records_are_a_consumers_error_and_others_go_on(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    batch = bytearray(broker.logs["orders", 0][1])
    struct.pack_into(">i", batch, 57, 1000)  # more records than there are bytes
    struct.pack_into(">I", batch, 17, crc32c(bytes(batch[21:])))
    broker.logs["orders", 0][1] = bytes(batch)
    async with Consumer("fake", ["orders", "payments"], surroundings=broker.surroundings) as consumer:
        assert await read(consumer, 3) == [0, 1, 2]
        with pytest.raises(CorruptRecords, match="orders-0 at offset 3"):
            await anext(consumer)
        consumer.pause(ORDERS)
        async with Producer("fake", surroundings=broker.surroundings) as producer:
            await producer.send("payments", b"on", partition=1)
        with trio.fail_after(10):
            assert (await anext(consumer)).value == b"on"


def damaged(offsets: range) -> Any:
    """A broker whose log cannot be read there, and is held by nobody else."""

    def answer(request: FetchRequest, answer: Any) -> Any:
        if all(each.fetch_offset not in offsets for topic in request.topics for each in topic.partitions):
            return answer
        (topic,) = answer.responses
        refused = [replace(each, error_code=ErrorCode.CORRUPT_MESSAGE) for each in topic.partitions]
        return replace(answer, responses=[replace(topic, partitions=refused)])

    return answer


async def test_what_a_broker_cannot_read_is_raised_behind_what_comes_before_and_comes_once_it_is_mended(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    broker.script(FetchRequest, *[damaged(range(3, 10))] * 1000)
    async with Consumer("fake", "orders", surroundings=broker.surroundings, max_partition_fetch_bytes=80) as consumer:
        with trio.fail_after(20):
            assert await read(consumer, 3) == [0, 1, 2]
            for _ in range(3):
                with pytest.raises(CorruptRecords, match="orders-0 at offset 3: the broker cannot read it"):
                    await anext(consumer)
            await trio.sleep(5)
            assert broker.count(FetchRequest) < 100, "it is asked on, and not in a storm"
            broker.forget_script(FetchRequest)
            await trio.sleep(1)
            assert await read(consumer, 7) == [3, 4, 5, 6, 7, 8, 9]


async def test_a_seek_leads_past_what_a_broker_cannot_read(broker: FakeBroker, autojump_clock: Any) -> None:
    broker.script(FetchRequest, *[damaged(range(6))] * 1000)
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        with trio.fail_after(20), pytest.raises(CorruptRecords):
            await anext(consumer)
        consumer.seek(ORDERS, 6)
        assert await read(consumer, 1) == [6]


# ------------------------------------------------------------------------------------------ a leader that hangs


def unanswered(request: Any, answer: Any) -> None:
    """A step of a script."""


async def test_a_leader_that_hangs_keeps_no_partition_that_another_leads(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    """Its connection is open, and no answer comes; request_timeout_ms is half a minute."""

    def moved(_: Any, answer: Any) -> Any:
        if not broker.count(FetchRequest):
            return answer
        (topic,) = answer.topics
        elsewhere = [replace(each, leader_id=NODE_ID + 1, leader_epoch=1) for each in topic.partitions]
        brokers = [*answer.brokers, replace(answer.brokers[0], node_id=NODE_ID + 1)]
        return replace(answer, brokers=brokers, topics=[replace(topic, partitions=elsewhere)])

    broker.script(FetchRequest, unanswered)
    broker.script(MetadataRequest, *[moved] * 100)
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        begun = trio.current_time()
        assert await read(consumer, 10) == list(range(10))
        assert trio.current_time() - begun < 5
    assert broker.count(MetadataRequest) < 10


async def test_who_waits_for_a_leader_that_hangs_asks_who_leads_and_not_in_a_storm(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    broker.script(FetchRequest, unanswered)
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        assert await consumer.poll(timeout_s=20) == []
    assert broker.count(FetchRequest) == 1
    assert 3 < broker.count(MetadataRequest) < 10


# ------------------------------------------------------------------------------------------- without a leader


async def test_a_partition_without_a_leader_does_not_keep_others_from_their_positions(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    def leaderless(request: Any, answer: Any) -> Any:
        topics = [
            replace(t, partitions=[replace(t.partitions[0], leader_id=-1), *t.partitions[1:]]) for t in answer.topics
        ]
        return replace(answer, topics=topics)

    broker.script(MetadataRequest, *[leaderless] * 10_000)
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        await producer.send("payments", b"here", partition=1)
    async with Consumer("fake", "payments", surroundings=broker.surroundings) as consumer:
        with trio.fail_after(4):
            assert (await anext(consumer)).value == b"here"


# ------------------------------------------------------------------------------------------------- the group moves


async def test_who_is_forgotten_while_partitions_are_taken_up_joins_again(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    async def on_assign(partitions: list[TopicPartition]) -> None:
        await trio.sleep(10)  # heartbeats go on meanwhile

    broker.script(HeartbeatRequest, code(ErrorCode.UNKNOWN_MEMBER_ID))
    async with Consumer("fake", "orders", group="g", on_assign=on_assign, surroundings=broker.surroundings) as consumer:
        with trio.fail_after(60):
            await read(consumer, 1)
            await trio.sleep(30)
        assert broker.count(JoinGroupRequest) == 4  # twice an id first
        assert consumer.assignment == [ORDERS]


async def test_assigning_by_hand_leaves_automatic_commits_at_work(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", group="g", auto_commit_interval_ms=1000, surroundings=broker.surroundings) as consumer:
        await consumer.assign([ORDERS])
        await read(consumer, 4)
        await trio.sleep(5)
        assert broker.committed.get(ORDERS) == 3


@pytest.mark.parametrize("why", [ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION])
async def test_a_rebalance_in_the_midst_of_a_commit_before_is_waited_for(
    broker: FakeBroker, autojump_clock: Any, why: ErrorCode
) -> None:
    async with Consumer("fake", "orders", group="g", commit="before", surroundings=broker.surroundings) as consumer:
        await read(consumer, 3)
        broker.script(OffsetCommitRequest, with_codes(why))
        with trio.fail_after(30):
            assert await read(consumer, 7) == [3, 4, 5, 6, 7, 8, 9]
        assert broker.count(JoinGroupRequest) == 3


@pytest.mark.parametrize("why", [ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION])
async def test_a_manual_commit_is_tried_again_in_the_next_generation(
    broker: FakeBroker, autojump_clock: Any, why: ErrorCode
) -> None:
    async with Consumer("fake", "orders", group="g", commit="manual", surroundings=broker.surroundings) as consumer:
        await read(consumer, 3)
        broker.script(OffsetCommitRequest, with_codes(why))
        with trio.fail_after(30):
            assert await consumer.commit() == {ORDERS: 3}
        assert broker.committed[ORDERS] == 3


async def test_a_commit_does_not_wait_for_a_member_that_waits_for_it_to_give_partitions_up(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    """The program is busy with records until it asks for more, and before that it commits."""

    def nothing(request: Any, answer: Any) -> Any:
        return replace(answer, assignment=encode_assignment([]))

    async with Consumer("fake", "orders", group="g", commit="manual", surroundings=broker.surroundings) as consumer:
        await read(consumer, 3)
        broker.script(OffsetCommitRequest, with_codes(ErrorCode.REBALANCE_IN_PROGRESS))
        broker.script(SyncGroupRequest, nothing)
        with trio.fail_after(30):
            assert await consumer.commit() == {ORDERS: 3}
            assert broker.committed[ORDERS] == 3
            assert await read(consumer, 1) == [3], "given up, and assigned again in the next round"
        assert broker.count(SyncGroupRequest) == 3


async def test_a_commit_that_comes_when_partitions_are_being_given_up_fails_rather_than_wait_for_itself(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    async with Consumer(
        "fake", "orders", group="g", assignors=["range"], commit="manual", surroundings=broker.surroundings
    ) as consumer:
        await read(consumer, 3)
        broker.script(HeartbeatRequest, code(ErrorCode.REBALANCE_IN_PROGRESS))
        await trio.sleep(5)
        broker.script(OffsetCommitRequest, with_codes(ErrorCode.ILLEGAL_GENERATION))
        with trio.fail_after(30):
            with pytest.raises(CommitFailed):
                await consumer.commit()
            assert await read(consumer, 1) == [3]


async def test_a_commit_in_on_revoke_does_not_wait_for_the_rebalance_that_waits_for_it(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    failures: list[CommitFailed] = []

    async def on_revoke(partitions: list[TopicPartition]) -> None:
        broker.script(OffsetCommitRequest, with_codes(ErrorCode.REBALANCE_IN_PROGRESS))
        try:
            await consumer.commit({ORDERS: 1})
        except CommitFailed as failure:
            failures.append(failure)

    async with Consumer(
        "fake",
        "orders",
        group="g",
        assignors=["range"],
        commit="manual",
        on_revoke=on_revoke,
        surroundings=broker.surroundings,
    ) as consumer:
        await read(consumer, 1)
        broker.script(HeartbeatRequest, code(ErrorCode.REBALANCE_IN_PROGRESS))
        with trio.fail_after(30):
            await trio.sleep(5)
            await read(consumer, 1)
        assert len(failures) == 1


async def test_who_steps_out_gives_its_partitions_up_before_others_can_have_them(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    assigned_when_leaving: list[list[TopicPartition]] = []

    def leaving(request: Any, answer: Any) -> Any:
        assigned_when_leaving.append(consumer.assignment)
        return answer

    async with Consumer(
        "fake", "orders", group="g", max_poll_interval_ms=10_000, surroundings=broker.surroundings
    ) as consumer:
        await read(consumer, 4)
        broker.script(LeaveGroupRequest, leaving)
        await trio.sleep(30)
        assert assigned_when_leaving == [[]]
        with pytest.raises(CommitFailed):
            consumer.group_position()


async def test_a_join_that_takes_long_says_why_once(
    broker: FakeBroker, autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """As for a consumer that was killed and is started again: its former self is still a member."""
    join = broker._JoinGroup

    async def slow(request: Any, version: int) -> Any:
        await trio.sleep(20)
        return await join(request, version)

    broker._JoinGroup = slow  # type: ignore[method-assign]
    async with Consumer("fake", "orders", group="g", instance_id="i", surroundings=broker.surroundings) as consumer:
        await read(consumer, 1)
    lines = [each for each in caplog.messages if "not let in yet" in each]
    assert len(lines) == 2, "one for each of two joins: the first only gave an id"
    assert "session_timeout_ms is 45 s" in lines[0]
