"""The consumer against a broker in memory: what is handed out, what is committed, how the scope ends."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from odradek import (
    CommitFailed,
    Consumer,
    CorruptRecords,
    NoOffset,
    OffsetOutOfRange,
    Producer,
    SerializationFailed,
    Topic,
    TopicPartition,
)
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import FetchRequest
from odradek.protocol.messages.heartbeat import HeartbeatRequest
from odradek.protocol.messages.join_group import JoinGroupRequest
from odradek.protocol.messages.leave_group import LeaveGroupRequest
from odradek.protocol.messages.list_offsets import ListOffsetsRequest
from odradek.protocol.messages.offset_commit import OffsetCommitRequest
from tests.client.fake_broker import FakeBroker, lose, refuse

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


def committed(broker: FakeBroker) -> int | None:
    return broker.committed.get(("orders", 0))


async def test_records_come_in_order_and_once(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        assert await read(consumer, 10) == list(range(10))
        with trio.move_on_after(5) as scope:
            await anext(consumer)
        assert scope.cancelled_caught


async def test_latest_begins_at_the_end(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", start="latest", surroundings=broker.surroundings) as consumer:
        assert await consumer.wait_assigned() == [ORDERS]
        assert consumer.position(ORDERS) == 10
        async with Producer("fake", surroundings=broker.surroundings) as producer:
            await producer.send("orders", b"new")
        assert (await anext(consumer)).value == b"new"


# ------------------------------------------------------------------------------------------------ what is committed


async def test_leaving_normally_commits_what_was_handed_out(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
        await read(consumer, 4)
    assert committed(broker) == 4
    assert broker.count(LeaveGroupRequest) == 1


async def test_leaving_by_an_exception_commits_nothing(broker: FakeBroker, autojump_clock: Any) -> None:
    with pytest.raises(KeyError):
        async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
            await read(consumer, 4)
            raise KeyError
    assert broker.commits == []
    assert broker.count(LeaveGroupRequest) == 1


async def test_leaving_by_a_cancellation_commits_nothing(broker: FakeBroker, autojump_clock: Any) -> None:
    with trio.CancelScope() as scope:
        async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
            await read(consumer, 4)
            scope.cancel()
            await anext(consumer)
    assert scope.cancelled_caught
    assert broker.commits == []


@pytest.mark.parametrize("checkpoint", range(60))
async def test_wherever_the_program_is_cancelled_nothing_unfinished_is_committed(
    broker: FakeBroker, autojump_clock: Any, checkpoint: int
) -> None:
    """The cancellation strikes at a later moment in each run: connecting, joining, fetching, between records."""
    finished = 0
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def strike() -> None:
                for _ in range(checkpoint):
                    await trio.lowlevel.checkpoint()
                scope.cancel()

            nursery.start_soon(strike)
            async with Consumer(
                "fake", "orders", group="g", auto_commit_interval_ms=1, surroundings=broker.surroundings
            ) as consumer:
                async for record in consumer:
                    await trio.lowlevel.checkpoint()
                    finished = record.offset + 1
    assert scope.cancelled_caught
    assert (committed(broker) or 0) <= finished


async def test_while_the_program_has_a_record_only_what_came_before_is_committed(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    async with Consumer(
        "fake", "orders", group="g", auto_commit_interval_ms=100, surroundings=broker.surroundings
    ) as consumer:
        await read(consumer, 4)
        await trio.sleep(1)
        assert committed(broker) == 3
        await read(consumer, 1)
        await trio.sleep(1)
        assert committed(broker) == 4


async def test_a_polled_batch_is_finished_with_the_next_poll(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer(
        "fake", "orders", group="g", auto_commit_interval_ms=100, surroundings=broker.surroundings
    ) as consumer:
        assert [r.offset for r in await consumer.poll(4)] == [0, 1, 2, 3]
        await trio.sleep(1)
        assert (committed(broker) or 0) == 0
        assert [r.offset for r in await consumer.poll(100)] == [4, 5, 6, 7, 8, 9]
        await trio.sleep(1)
        assert committed(broker) == 4
        assert await consumer.poll(timeout_s=0.5) == []
        await trio.sleep(1)
        assert committed(broker) == 10


async def test_manual_commits_are_the_only_ones(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", group="g", commit="manual", surroundings=broker.surroundings) as consumer:
        await read(consumer, 3)
        assert await consumer.commit() == {ORDERS: 3}
        record = await anext(consumer)
        await read(consumer, 2)
        assert await consumer.commit(record) == {ORDERS: 4}
        await trio.sleep(20)
        assert await consumer.committed() == {ORDERS: 4}
    assert committed(broker) == 4


async def test_commit_before_means_at_most_once(broker: FakeBroker, autojump_clock: Any) -> None:
    with pytest.raises(KeyError):
        async with Consumer(
            "fake", "orders", group="g", commit="before", max_poll_records=2, surroundings=broker.surroundings
        ) as consumer:
            await read(consumer, 3)
            raise KeyError
    first = committed(broker)
    assert first is not None and first >= 3
    async with Consumer("fake", "orders", group="g", commit="before", surroundings=broker.surroundings) as consumer:
        assert (await anext(consumer)).offset == first


async def test_a_group_goes_on_where_it_has_committed(broker: FakeBroker, autojump_clock: Any) -> None:
    broker.committed["orders", 0] = 6
    async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
        assert await read(consumer, 4) == [6, 7, 8, 9]


# ----------------------------------------------------------------------------------------------------- the group


async def test_a_record_in_progress_holds_a_rebalance_back_and_is_not_committed(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    revoked: list[list[TopicPartition]] = []

    async def on_revoke(partitions: list[TopicPartition]) -> None:
        revoked.append(partitions)

    async with Consumer(
        "fake",
        "orders",
        group="g",
        assignors=["range"],
        on_revoke=on_revoke,
        surroundings=broker.surroundings,
    ) as consumer:
        await read(consumer, 4)
        broker.script(HeartbeatRequest, rebalancing, rebalancing, rebalancing)
        await trio.sleep(10)
        assert revoked == [] and broker.count(JoinGroupRequest) == 2
        assert await read(consumer, 1) == [4]
        assert revoked == [[ORDERS]]
        assert committed(broker) == 4
        await trio.sleep(10)
        assert broker.count(JoinGroupRequest) == 3, "one rebalance is answered by one join"


def rebalancing(request: Any, answer: Any) -> Any:
    return replace(answer, error_code=ErrorCode.REBALANCE_IN_PROGRESS)


def forgotten(request: Any, answer: Any) -> Any:
    return replace(answer, error_code=ErrorCode.UNKNOWN_MEMBER_ID)


async def test_a_cooperative_member_goes_on_reading_through_a_rebalance(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
        await read(consumer, 4)
        broker.script(HeartbeatRequest, rebalancing)
        await trio.sleep(10)
        assert broker.count(JoinGroupRequest) == 3
        assert await read(consumer, 3) == [4, 5, 6]


async def test_a_forgotten_member_loses_its_partitions_without_a_commit_and_comes_back(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    async with Consumer(
        "fake", "orders", group="g", auto_commit_interval_ms=1_000_000, surroundings=broker.surroundings
    ) as consumer:
        await read(consumer, 4)
        broker.script(HeartbeatRequest, forgotten)
        await trio.sleep(4)
        assert broker.commits == []
        assert (await anext(consumer)).offset == 0  # what was not committed comes again


async def test_a_commit_that_meets_a_rebalance_waits_for_it_and_fetching_goes_on(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    def rebalancing_commit(request: Any, answer: Any) -> Any:
        topics = [
            replace(t, partitions=[replace(p, error_code=ErrorCode.REBALANCE_IN_PROGRESS) for p in t.partitions])
            for t in answer.topics
        ]
        return replace(answer, topics=topics)

    async with Consumer("fake", "orders", group="g", commit="manual", surroundings=broker.surroundings) as consumer:
        await read(consumer, 4)
        broker.script(OffsetCommitRequest, rebalancing_commit)
        broker.script(HeartbeatRequest, rebalancing)
        with trio.fail_after(30):
            assert await consumer.commit() == {ORDERS: 4}
            assert await read(consumer, 6) == [4, 5, 6, 7, 8, 9]


async def test_a_commit_for_a_lost_partition_fails(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
        await read(consumer, 1)
        with pytest.raises(CommitFailed):
            await consumer.commit({TopicPartition("payments", 2): 5})


async def test_a_program_that_is_stuck_leaves_the_group_until_it_is_back(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    async with Consumer(
        "fake", "orders", group="g", max_poll_interval_ms=10_000, surroundings=broker.surroundings
    ) as consumer:
        await read(consumer, 4)
        await trio.sleep(30)
        assert broker.count(LeaveGroupRequest) == 1
        assert consumer.assignment == []
        assert any("max_poll_interval_ms" in wait.why for wait in consumer.health().waiting)
        with trio.fail_after(10):
            await read(consumer, 1)
        assert consumer.assignment == [ORDERS]


async def test_a_static_member_does_not_leave(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", group="g", instance_id="one", surroundings=broker.surroundings) as consumer:
        await read(consumer, 4)
    assert broker.count(LeaveGroupRequest) == 0
    assert committed(broker) == 4


async def test_on_assign_may_seek_before_anything_is_handed_out(broker: FakeBroker, autojump_clock: Any) -> None:
    async def on_assign(partitions: list[TopicPartition]) -> None:
        await trio.sleep(1)
        for partition in partitions:
            consumer.seek(partition, 7)

    async with Consumer("fake", "orders", group="g", on_assign=on_assign, surroundings=broker.surroundings) as consumer:
        assert await read(consumer, 3) == [7, 8, 9]


async def test_what_a_callback_raises_leaves_the_scope_as_it_is(broker: FakeBroker, autojump_clock: Any) -> None:
    async def on_assign(partitions: list[TopicPartition]) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        async with Consumer(
            "fake", "orders", group="g", on_assign=on_assign, surroundings=broker.surroundings
        ) as consumer:
            await read(consumer, 1)


# ----------------------------------------------------------------------------------------------------- positions


async def test_seek_in_the_midst_of_a_batch(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        assert await read(consumer, 2) == [0, 1]
        consumer.seek(ORDERS, 7)
        assert await read(consumer, 2) == [7, 8]
        consumer.seek(ORDERS, 1)
        assert await read(consumer, 2) == [1, 2]
        consumer.seek_to_beginning()
        assert await read(consumer, 1) == [0]
        consumer.seek_to_end(ORDERS)
        with trio.move_on_after(3):
            await anext(consumer)
        assert consumer.position(ORDERS) == 10


async def test_seek_to_a_time(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        await consumer.wait_assigned()
        await consumer.seek_to_time(1004)
        assert (await anext(consumer)).offset == 3  # the batch that has the record of that time begins there
        await consumer.seek_to_time(5000)
        assert consumer.position(ORDERS) == 10


async def test_an_offset_out_of_range_goes_by_the_start_policy(broker: FakeBroker, autojump_clock: Any) -> None:
    broker.committed["orders", 0] = 55
    async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
        assert await read(consumer, 1) == [0]
    broker.committed["orders", 0] = 55
    async with Consumer("fake", "orders", group="g", start="none", surroundings=broker.surroundings) as consumer:
        with pytest.raises(OffsetOutOfRange):
            await read(consumer, 1)
        consumer.seek(ORDERS, 3)
        assert await read(consumer, 1) == [3]


async def test_start_none_raises_where_nothing_is_committed(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", group="g", start="none", surroundings=broker.surroundings) as consumer:
        with pytest.raises(NoOffset):
            await read(consumer, 1)


async def test_a_paused_partition_keeps_its_place(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        assert await read(consumer, 2) == [0, 1]
        consumer.pause(ORDERS)
        assert await consumer.poll(timeout_s=2) == []
        assert consumer.position(ORDERS) == 2
        consumer.resume(ORDERS)
        assert await read(consumer, 8) == list(range(2, 10))


async def test_assign_by_hand_and_lag(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", surroundings=broker.surroundings) as consumer:
        await consumer.assign([ORDERS])
        await read(consumer, 4)
        assert consumer.lag() == {ORDERS: 6}
        assert await consumer.end_offsets() == {ORDERS: 10}
        await consumer.assign([TopicPartition("payments", 1)])
        assert consumer.assignment == [("payments", 1)]


async def test_assign_with_a_group_commits_without_being_a_member(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", group="g", surroundings=broker.surroundings) as consumer:
        await consumer.assign([ORDERS])
        await read(consumer, 4)
    assert committed(broker) == 4
    assert broker.count(JoinGroupRequest) == 0


async def test_a_pattern_finds_topics_made_later(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer(
        "fake", pattern="pay.*", metadata_max_age_ms=1000, surroundings=broker.surroundings
    ) as consumer:
        assert {p.topic for p in await consumer.wait_assigned()} == {"payments"}
        broker.topics["payouts"] = 1
        broker.logs["payouts", 0] = []
        await trio.sleep(3)
        assert {p.topic for p in consumer.assignment} == {"payments", "payouts"}


# ------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("fault", [lose, refuse])
@pytest.mark.parametrize("request_class", [FetchRequest, ListOffsetsRequest, JoinGroupRequest, HeartbeatRequest])
async def test_reading_goes_on_after_a_lost_connection(
    broker: FakeBroker, autojump_clock: Any, fault: Any, request_class: type
) -> None:
    broker.script(request_class, fault)
    async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
        await trio.sleep(5)
        with trio.fail_after(60):
            assert await read(consumer, 10) == list(range(10))


async def test_a_broker_that_comes_back_is_found_again_and_health_has_told_why(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        await read(consumer, 10)
        broker.is_reachable = False
        broker.script(FetchRequest, refuse, refuse)
        await trio.sleep(20)
        waits = consumer.health().waiting
        assert any("not reachable" in wait.why and wait.since_s > 10 for wait in waits), waits
        broker.is_reachable = True
        async with Producer("fake", surroundings=broker.surroundings) as producer:
            await producer.send("orders", b"after")
        with trio.fail_after(10):
            assert (await anext(consumer)).value == b"after"


async def test_a_batch_with_a_wrong_checksum_is_not_handed_out(broker: FakeBroker, autojump_clock: Any) -> None:
    log = broker.logs["orders", 0]
    log[1] = log[1][:-1] + bytes([log[1][-1] ^ 1])
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        assert await read(consumer, 3) == [0, 1, 2]
        with pytest.raises(CorruptRecords, match="orders-0"):
            await anext(consumer)
        with pytest.raises(CorruptRecords):
            await anext(consumer)


async def test_two_readers_at_once_are_refused(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "payments", surroundings=broker.surroundings) as consumer, trio.open_nursery() as n:
        n.start_soon(consumer.poll, 1, 5)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await anext(consumer)
        n.cancel_scope.cancel()


async def test_nothing_runs_after_the_scope(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
        await read(consumer, 1)
    seen = len(broker.seen)
    await trio.sleep(100)
    assert len(broker.seen) == seen


# ------------------------------------------------------------------------------------------------ poll, and trouble


async def test_what_comes_before_a_partitions_error_is_returned_before_it_is_raised(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    """Records that a failing poll had taken would be committed though nobody has seen them."""
    log = broker.logs["orders", 0]
    log[2] = log[2][:-1] + bytes([log[2][-1] ^ 1])
    async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
        assert [r.offset for r in await consumer.poll(100)] == [0, 1, 2, 3, 4, 5]
        for _ in range(2):
            with pytest.raises(CorruptRecords):
                await consumer.poll(100)
    assert committed(broker) == 6


async def test_a_record_that_cannot_be_decoded_is_raised_alone_and_then_passed_over(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    numbers = Topic("orders", value=int)
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        for value in (b"10", b"no number", b"12"):
            await producer.send("orders", value)
    async with Consumer("fake", numbers, group="g", surroundings=broker.surroundings) as consumer:
        values: list[int] = []
        while len(values) < 11:
            values += [r.value for r in await consumer.poll(100)]
        assert values == list(range(11))
        with pytest.raises(SerializationFailed) as caught:
            await consumer.poll(100)
        assert caught.value.record is not None and caught.value.record.offset == 11
        assert [r.value for r in await consumer.poll(100)] == [12]
        consumer.seek(ORDERS, 10)
        assert (await anext(consumer)).value == 10
        with pytest.raises(SerializationFailed):
            await anext(consumer)
        assert (await anext(consumer)).value == 12


async def test_a_poll_hands_out_no_more_than_was_committed_before(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", group="g", commit="before", surroundings=broker.surroundings) as consumer:
        seen = 0
        while seen < 10:
            seen += len(await consumer.poll(100))
            assert committed(broker) == seen
