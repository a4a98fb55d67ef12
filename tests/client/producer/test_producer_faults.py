"""The producer against a broker that fails on purpose."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from msgspec.structs import replace

from odradek import (
    BootstrapFailed,
    BufferFull,
    DeliveryTimedOut,
    NotEnoughReplicas,
    Producer,
    ProducerClosed,
    RecordTooLarge,
    Undelivered,
    UnknownTopicOrPartition,
)
from odradek.cluster.connection import Reply
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest
from odradek.protocol.messages.produce import ProduceRequest, ProduceResponse
from odradek.protocol.records.record import decode_records
from odradek.topic import Topic
from tests.client.fake_broker import FakeBroker, lose, not_leader, refuse


def answering(code: ErrorCode) -> Any:
    """A step of the script: every partition of the answer has this error (what was written stays written)."""

    def step(request: Any, answer: Any) -> Any:
        topics = [
            replace(t, partition_responses=[replace(p, error_code=code, base_offset=-1) for p in t.partition_responses])
            for t in answer.responses
        ]
        return replace(answer, responses=topics)

    return step


def values_in(broker: FakeBroker, topic: str = "orders", partition: int = 0) -> list[bytes | None]:
    return [record.value for batch in broker.logs[topic, partition] for record in decode_records(batch)]


@pytest.fixture
def broker(nursery: trio.Nursery) -> FakeBroker:
    return FakeBroker(nursery, orders=1, payments=3)


async def test_what_is_sent_is_in_the_log_when_the_scope_has_ended(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        for i in range(10):
            await producer.send("orders", b"%d" % i)
    assert values_in(broker) == [b"%d" % i for i in range(10)]


async def test_a_delivery_says_where_the_record_is(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        await producer.send("orders", b"first")
        delivery = await producer.send("orders", b"second", timestamp_ms=1234)
        assert not delivery.is_done
        delivered = await delivery
        assert delivered == ("orders", 0, 1, 1234)
        assert await delivery == delivered


async def test_a_lost_answer_makes_no_duplicate(broker: FakeBroker, autojump_clock: Any) -> None:
    broker.script(ProduceRequest, lose)
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        delivered = await producer.send_and_wait("orders", b"once")
    assert broker.count(ProduceRequest) == 2
    assert values_in(broker) == [b"once"]
    assert delivered.offset == 0


async def test_a_lost_answer_makes_a_duplicate_where_the_producer_is_not_idempotent(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    broker.script(ProduceRequest, lose)
    async with Producer("fake", surroundings=broker.surroundings, idempotent=False) as producer:
        await producer.send_and_wait("orders", b"twice")
    assert values_in(broker) == [b"twice", b"twice"]
    assert broker.count(InitProducerIdRequest) == 0


@pytest.mark.parametrize("fault", [lose, refuse, not_leader, answering(ErrorCode.NOT_LEADER_OR_FOLLOWER)])
@pytest.mark.parametrize("position", range(6))
async def test_five_batches_in_flight_stay_in_order_whichever_fails(
    broker: FakeBroker, autojump_clock: Any, fault: Any, position: int
) -> None:
    async with Producer("fake", surroundings=broker.surroundings, batch_size=100) as producer:
        await producer.send_and_wait("orders", b"0" * 90)
        broker.script(ProduceRequest, *[None] * position, fault)
        for i in range(1, 20):
            await producer.send("orders", b"%d" % i * 90)
    assert values_in(broker) == [b"0" * 90, *(b"%d" % i * 90 for i in range(1, 20))]


@pytest.mark.parametrize("fault", [lose, refuse, not_leader])
@pytest.mark.parametrize("position", range(4))
async def test_the_first_batches_of_a_producer_stay_in_order_too(
    broker: FakeBroker, autojump_clock: Any, fault: Any, position: int
) -> None:
    """A broker takes any first sequence of a producer that it does not know: were the second batch on its way when the
    first one failed, it would be written before it."""
    broker.script(ProduceRequest, *[None] * position, fault)
    async with Producer("fake", surroundings=broker.surroundings, batch_size=100) as producer:
        for i in range(20):
            await producer.send("orders", b"%d" % i * 90)
    assert values_in(broker) == [b"%d" % i * 90 for i in range(20)]


async def test_after_a_refused_batch_the_others_go_on_in_order(broker: FakeBroker, autojump_clock: Any) -> None:
    def refuse_to_write(request: Any, answer: Any) -> Any:
        broker.logs["orders", 0].pop()
        broker._sequences["orders", 0, 7].pop()
        return answering(ErrorCode.INVALID_RECORD)(request, answer)

    async with Producer("fake", surroundings=broker.surroundings, batch_size=100) as producer:
        await producer.send_and_wait("orders", b"good" * 20)
        broker.script(ProduceRequest, refuse_to_write)
        bad = await producer.send("orders", b"bad!" * 20)
        for i in range(8):
            await producer.send("orders", b"ok %d" % i * 20)
        with pytest.raises(Exception, match="INVALID_RECORD"):
            await bad
    assert [value[:4] for value in values_in(broker) if value] == [b"good", *(b"ok %d" % i for i in range(8))]


async def test_what_follows_a_refused_batch_is_no_copy_of_it(broker: FakeBroker, autojump_clock: Any) -> None:
    """It was written, its answer was lost, and then the broker refused it: the next batch needs numbers of its own."""
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        await producer.send_and_wait("orders", b"good")
        broker.script(ProduceRequest, lose, answering(ErrorCode.INVALID_RECORD))
        with pytest.raises(Exception, match="INVALID_RECORD"):
            await producer.send_and_wait("orders", b"refused, and in the log")
        await producer.send_and_wait("orders", b"next")
    assert values_in(broker)[-1] == b"next"


async def test_what_follows_a_refused_batch_that_is_not_in_the_log_is_renumbered(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    def refuse_to_write(request: Any, answer: Any) -> Any:
        broker.logs["orders", 0].pop()
        broker._sequences["orders", 0, 7].pop()
        return answering(ErrorCode.INVALID_RECORD)(request, answer)

    async with Producer("fake", surroundings=broker.surroundings) as producer:
        await producer.send_and_wait("orders", b"good")
        broker.script(ProduceRequest, refuse, refuse_to_write)
        with pytest.raises(Exception, match="INVALID_RECORD"):
            await producer.send_and_wait("orders", b"refused")
        await producer.send_and_wait("orders", b"next")
    assert values_in(broker) == [b"good", b"next"]


async def test_a_failure_that_nobody_awaits_is_raised_at_the_end(broker: FakeBroker, autojump_clock: Any) -> None:
    broker.script(ProduceRequest, answering(ErrorCode.INVALID_RECORD))
    with pytest.raises(Undelivered) as caught:
        async with Producer("fake", surroundings=broker.surroundings) as producer:
            await producer.send("orders", b"lost")
            await producer.send("orders", b"lost too")
    assert caught.value.count == 2


async def test_a_failure_that_nobody_awaits_is_raised_by_flush_once(broker: FakeBroker, autojump_clock: Any) -> None:
    broker.script(ProduceRequest, answering(ErrorCode.INVALID_RECORD))
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        await producer.send("orders", b"lost")
        with pytest.raises(Undelivered):
            await producer.flush()
        await producer.flush()


async def test_a_failure_that_somebody_awaits_is_not_raised_again(broker: FakeBroker, autojump_clock: Any) -> None:
    broker.script(ProduceRequest, answering(ErrorCode.INVALID_RECORD))
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        delivery = await producer.send("orders", b"lost")
        with pytest.raises(Exception, match="INVALID_RECORD"):
            await delivery


async def test_a_failure_is_raised_though_waiting_for_it_was_cancelled(broker: FakeBroker, autojump_clock: Any) -> None:
    broker.script(ProduceRequest, answering(ErrorCode.INVALID_RECORD))
    with pytest.raises(Undelivered):
        async with Producer("fake", surroundings=broker.surroundings) as producer:
            delivery = await producer.send("orders", b"lost")
            with trio.CancelScope() as scope:
                scope.cancel()
                await delivery


async def test_retriable_errors_are_tried_until_delivery_timeout_ms(broker: FakeBroker, autojump_clock: Any) -> None:
    broker.script(ProduceRequest, *[answering(ErrorCode.NOT_ENOUGH_REPLICAS)] * 10_000)
    began = trio.current_time()
    async with Producer("fake", surroundings=broker.surroundings, delivery_timeout_ms=40_000) as producer:
        with pytest.raises(DeliveryTimedOut, match="NOT_ENOUGH_REPLICAS") as caught:
            await producer.send_and_wait("orders", b"never")
        assert isinstance(caught.value.__cause__, NotEnoughReplicas)
    assert 39 < trio.current_time() - began < 41


async def test_an_unreachable_broker_ends_in_delivery_timeout(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Producer("fake", surroundings=broker.surroundings, delivery_timeout_ms=31_000) as producer:
        await producer.partitions("orders")
        broker.is_reachable = False
        with pytest.raises(DeliveryTimedOut):
            await producer.send_and_wait("orders", b"never")


async def test_a_request_without_an_answer_ends_the_connection_and_is_sent_again(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    broker.script(ProduceRequest, lambda request, answer: None)
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        began = trio.current_time()
        assert (await producer.send_and_wait("orders", b"v")).offset == 0
        assert 30 <= trio.current_time() - began < 32
    assert values_in(broker) == [b"v"]


async def test_send_waits_for_room_and_goes_on_when_there_is_some(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Producer(
        "fake", surroundings=broker.surroundings, buffer_memory=1000, batch_size=200, linger_ms=0
    ) as producer:
        for _ in range(50):
            await producer.send("orders", b"x" * 150)
            assert producer.health().buffered_bytes <= 1200
    assert broker.records_in("orders") == 50


async def test_send_raises_when_no_room_is_made_in_max_block_ms(broker: FakeBroker, autojump_clock: Any) -> None:
    broker.script(ProduceRequest, *[answering(ErrorCode.NOT_ENOUGH_REPLICAS)] * 10_000)
    with pytest.raises(BufferFull):
        async with Producer(
            "fake", surroundings=broker.surroundings, buffer_memory=1000, batch_size=200, max_block_ms=2_000
        ) as producer:
            for _ in range(50):
                await producer.send("orders", b"x" * 150)


async def test_an_unknown_topic_is_raised_after_max_block_ms(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Producer("fake", surroundings=broker.surroundings, max_block_ms=3_000) as producer:
        began = trio.current_time()
        with pytest.raises(UnknownTopicOrPartition):
            await producer.send("nowhere", b"v")
        assert 2.9 < trio.current_time() - began < 3.5


async def test_a_partition_that_does_not_exist_is_refused_after_max_block_ms(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    async with Producer("fake", surroundings=broker.surroundings, max_block_ms=2_000) as producer:
        began = trio.current_time()
        with pytest.raises(ValueError, match="0 to 2"):
            await producer.send("payments", b"v", partition=3)
        assert trio.current_time() - began == 2
        with pytest.raises(ValueError, match="0 to 2, not -1"):
            await producer.send("payments", b"v", partition=-1)
        assert trio.current_time() - began == 2, "that one will never exist"


@pytest.mark.parametrize("many", [False, True])
async def test_a_partition_that_was_added_a_moment_ago_is_waited_for(
    broker: FakeBroker, autojump_clock: Any, nursery: trio.Nursery, many: bool
) -> None:
    async def add() -> None:
        await trio.sleep(1)
        broker.topics["orders"] = 2
        broker.logs["orders", 1] = []

    async with Producer("fake", surroundings=broker.surroundings) as producer:
        await producer.send("orders", b"before", partition=0)
        nursery.start_soon(add)
        if many:
            await producer.send_many("orders", [b"new"], partition=1)
        else:
            await producer.send("orders", b"new", partition=1)
    assert values_in(broker, partition=1) == [b"new"]


async def test_a_record_above_max_request_size_is_refused(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        with pytest.raises(RecordTooLarge):
            await producer.send("orders", bytes(2_000_000))


async def test_a_cancelled_scope_delivers_nothing_more_and_ends_at_once(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    with trio.CancelScope() as scope:
        async with Producer("fake", surroundings=broker.surroundings, linger_ms=1000) as producer:
            delivery = await producer.send("orders", b"buffered")
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert values_in(broker) == []
    with pytest.raises(ProducerClosed):
        await delivery


@pytest.mark.parametrize("fault", [None, answering(ErrorCode.INVALID_RECORD)])
async def test_an_answer_that_comes_in_the_moment_of_the_cancellation_is_too_late(
    broker: FakeBroker, autojump_clock: Any, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    """The answer is read and the deadline passes before another task has run; who runs first then is left to chance."""
    settle = Reply.settle

    def settle_and_cancel(reply: Reply[Any], value: Any) -> None:
        settle(reply, value)
        if reply.response is ProduceResponse:
            scope.cancel()

    monkeypatch.setattr(Reply, "settle", settle_and_cancel)
    for _ in range(20):
        broker.script(ProduceRequest, fault)
        with trio.CancelScope() as scope:
            async with Producer("fake", surroundings=broker.surroundings) as producer:
                await producer.send("orders", b"v")
                await trio.sleep_forever()
        assert scope.cancelled_caught


async def test_what_is_compressed_while_the_scope_ends_is_not_sent(
    broker: FakeBroker, autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compressing, may_end = trio.Event(), trio.Event()

    async def in_a_thread(build: Any) -> Any:
        compressing.set()
        with trio.CancelScope(shield=True):  # a thread cannot be cancelled
            await may_end.wait()
        return build()

    monkeypatch.setattr(trio.to_thread, "run_sync", in_a_thread)
    with trio.CancelScope() as scope:
        async with Producer("fake", surroundings=broker.surroundings, compression="gzip") as producer:
            await producer.send_and_wait("payments", b"small")
            for partition in range(2):
                await producer.send("payments", bytes(300_000), partition=partition)
            await compressing.wait()
            broker.nursery.start_soon(_end_later, may_end)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert broker.count(ProduceRequest) == 1


async def _end_later(event: trio.Event) -> None:
    await trio.sleep(1)
    event.set()


async def test_an_exception_leaves_the_scope_as_it_is_and_after_delivery(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with Producer("fake", surroundings=broker.surroundings) as producer:
            await producer.send("orders", b"before the exception")
            raise KeyError("mine")
    assert values_in(broker) == [b"before the exception"]


async def test_a_cancelled_send_has_not_taken_the_record(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        await producer.partitions("orders")
        with trio.CancelScope() as scope:
            scope.cancel()
            await producer.send("orders", b"v")
        assert scope.cancelled_caught
    assert values_in(broker) == []


@pytest.mark.parametrize("values", [[], [b"v"]])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"topic": 42}, "a topic is its name or a Topic, not int"),
        ({"topic": Topic("orders", value=str)}, "send_many takes the name of a topic"),
        ({"key": "text"}, "a key is bytes or None, not str"),
        ({"headers": 5}, "headers are a mapping"),
    ],
)
async def test_many_records_or_none_that_cannot_be_sent_are_refused_with_what_to_do(
    broker: FakeBroker, autojump_clock: Any, wrong: dict[str, Any], said: str, values: list[bytes]
) -> None:
    arguments: dict[str, Any] = {"topic": "orders", **wrong}
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        with pytest.raises(TypeError, match=said):
            await producer.send_many(arguments.pop("topic"), values, **arguments)


async def test_what_is_not_bytes_is_refused_and_leaves_nothing_behind(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        with pytest.raises(TypeError, match="str"):
            await producer.send("orders", "text")  # type: ignore[call-overload]
        await producer.flush()
        await producer.send("orders", b"bytes")
    assert values_in(broker) == [b"bytes"]


async def test_no_broker_raises_bootstrap_failed(broker: FakeBroker, autojump_clock: Any) -> None:
    broker.is_reachable = False
    with pytest.raises(BootstrapFailed, match="fake:9092"):
        async with Producer("fake", surroundings=broker.surroundings):
            pass


async def test_acks_0_waits_for_nobody(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Producer("fake", surroundings=broker.surroundings, acks=0) as producer:
        delivered = await producer.send_and_wait("orders", b"v")
        assert delivered.offset == -1


async def test_records_linger_together_and_a_waiter_ends_the_lingering(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Producer("fake", surroundings=broker.surroundings, linger_ms=500) as producer:
        await producer.partitions("orders")
        began = trio.current_time()
        for _ in range(5):
            await producer.send("orders", b"v")
        await trio.sleep(0.4)
        assert broker.count(ProduceRequest) == 0
        await trio.sleep(0.2)
        assert broker.count(ProduceRequest) == 1
        began = trio.current_time()
        await producer.send_and_wait("orders", b"v")
        assert trio.current_time() - began < 0.1


async def test_an_old_broker_is_spoken_to_by_topic_name(broker: FakeBroker, autojump_clock: Any) -> None:
    broker.versions = {0: (0, 7), 3: (0, 5), 22: (0, 1), 18: (0, 4)}
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        assert (await producer.send_and_wait("orders", b"v")).offset == 0


async def test_health_says_why_a_send_waits(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Producer("fake", surroundings=broker.surroundings, delivery_timeout_ms=60_000) as producer:
        await producer.partitions("orders")
        broker.is_reachable = False
        delivery = await producer.send("orders", b"v")
        await trio.sleep(20)
        health = producer.health()
        assert health.oldest_unsettled_s > 19
        assert health.unsettled_batches == 1
        assert any("not reachable" in wait.why for wait in health.waiting), health.waiting
        broker.is_reachable = True
        await delivery
