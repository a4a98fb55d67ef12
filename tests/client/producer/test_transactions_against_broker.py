"""Exactly once: transactions, aborts, and who is fenced; on our broker and on Apache Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio

from odradek import (
    CommitFailed,
    Consumer,
    EndedBy,
    Producer,
    ProducerFenced,
    RecordTooLarge,
    TopicPartition,
    TransactionAborted,
)
from referee import ApacheKafka, BrokerProcess, Odradek, why_java_is_unavailable

pytestmark = pytest.mark.slow

NewTopic = Callable[..., str]
QUICK: dict[str, Any] = {"heartbeat_interval_ms": 100, "session_timeout_ms": 6_000}


@pytest.fixture(scope="module", params=["odradek", pytest.param("kafka", marks=pytest.mark.java)])
def bootstrap(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data_dir = tmp_path_factory.mktemp("broker") / "data"
    broker: BrokerProcess
    if request.param == "odradek":
        broker = Odradek(data_dir, {"group.initial.rebalance.delay.ms": "0"})
    elif why_java_is_unavailable():
        pytest.skip(str(why_java_is_unavailable()))
    else:
        often = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "200"}
        broker = ApacheKafka(data_dir, often, heap_mb=512)
    broker.start()
    try:
        yield broker.bootstrap
    finally:
        broker.stop()


async def visible(bootstrap: str, topic: str, isolation_level: Any = "read_committed") -> list[bytes | None]:
    """What can be read by now."""
    values: list[bytes | None] = []
    async with Consumer(bootstrap, topic, isolation_level=isolation_level) as consumer:
        while records := await consumer.poll(1000, timeout_s=1.5):
            values += [record.value for record in records]
    return values


async def test_what_is_committed_is_visible_and_what_is_aborted_is_not(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(new_topic)
    async with Producer(bootstrap, transactional_id=f"id-{topic}", batch_size=100) as producer:
        for number in range(6):
            try:
                async with producer.transaction():
                    for letter in "abc":
                        await producer.send(topic, f"{number}{letter}".encode())
                    if number % 2:
                        await producer.flush()
                        raise KeyError("change of mind")
            except KeyError:
                pass
    committed = [f"{number}{letter}".encode() for number in (0, 2, 4) for letter in "abc"]
    assert await visible(bootstrap, topic) == committed
    everything = await visible(bootstrap, topic, "read_uncommitted")
    assert len(everything) == 18


async def test_a_cancelled_transaction_is_aborted_at_once(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(new_topic)
    async with Producer(bootstrap, transactional_id=f"id-{topic}") as producer:
        with trio.CancelScope() as scope:
            async with producer.transaction():
                await producer.send_and_wait(topic, b"never")
                scope.cancel()
                await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        async with producer.transaction():
            await producer.send(topic, b"afterwards")
        assert await visible(bootstrap, topic) == [b"afterwards"]


async def test_a_record_that_is_refused_aborts_all(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(lambda: new_topic(max_message_bytes="5000"))
    async with Producer(bootstrap, transactional_id=f"id-{topic}", batch_size=100) as producer:
        with pytest.raises(RecordTooLarge):
            async with producer.transaction():
                for size in (10, 10, 10_000, 10, 10):
                    await producer.send(topic, b"x" * size)
        async with producer.transaction():
            await producer.send(topic, b"afterwards")
    assert await visible(bootstrap, topic) == [b"afterwards"]


async def test_a_delivery_in_an_aborted_transaction_says_so(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(new_topic)
    async with Producer(bootstrap, transactional_id=f"id-{topic}", linger_ms=5_000) as producer:
        with pytest.raises(KeyError):
            async with producer.transaction():
                delivery = await producer.send(topic, b"never")
                raise KeyError
        with pytest.raises(TransactionAborted):
            await delivery


async def test_sending_outside_of_a_transaction_is_refused(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(new_topic)
    async with Producer(bootstrap, transactional_id=f"id-{topic}") as producer:
        with pytest.raises(RuntimeError, match="transaction"):
            await producer.send(topic, b"v")
        async with producer.transaction():
            await producer.send(topic, b"v")
            with pytest.raises(RuntimeError, match="one transaction"):
                async with producer.transaction():
                    pass
    async with Producer(bootstrap) as producer:
        with pytest.raises(RuntimeError, match="transactional_id"):
            async with producer.transaction():
                pass


async def test_an_older_producer_of_the_same_id_is_fenced_and_told_why(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(new_topic)
    async with Producer(bootstrap, transactional_id=f"id-{topic}") as old:
        async with old.transaction():
            await old.send(topic, b"before")
        async with Producer(bootstrap, transactional_id=f"id-{topic}") as new:
            with pytest.raises(ProducerFenced, match="another producer with this id") as caught:
                async with old.transaction():
                    await old.send(topic, b"zombie")
            assert caught.value.by is EndedBy.NEWER_PRODUCER
            async with new.transaction():
                await new.send(topic, b"after")
            with pytest.raises(ProducerFenced):
                async with old.transaction():
                    pass
    assert await visible(bootstrap, topic) == [b"before", b"after"]


async def test_a_transaction_that_takes_too_long_is_aborted_and_the_producer_goes_on(
    bootstrap: str, new_topic: NewTopic
) -> None:
    topic = await trio.to_thread.run_sync(new_topic)
    async with Producer(bootstrap, transactional_id=f"id-{topic}", transaction_timeout_ms=500) as producer:
        with pytest.raises(TransactionAborted) as caught:
            async with producer.transaction():
                await producer.send_and_wait(topic, b"never")
                with trio.fail_after(30):
                    while await end_of_stable(bootstrap, topic) == 0:  # noqa: ASYNC110 (nobody tells)
                        await trio.sleep(0.1)
        assert caught.value.by is EndedBy.TIMEOUT
        async with producer.transaction():
            await producer.send(topic, b"afterwards")
    assert await visible(bootstrap, topic) == [b"afterwards"]


async def end_of_stable(bootstrap: str, topic: str) -> int:
    partition = TopicPartition(topic, 0)
    async with Consumer(bootstrap, topic, isolation_level="read_committed") as consumer:
        return (await consumer.end_offsets(partition))[partition]


async def test_a_copy_has_each_record_once_though_the_copier_dies_again_and_again(
    bootstrap: str, new_topic: NewTopic
) -> None:
    """Read, write and commit offsets in one transaction, and be killed in the midst of it every time but the last."""
    source, target = await trio.to_thread.run_sync(new_topic, 3), await trio.to_thread.run_sync(new_topic, 2)
    group, total = f"group-of-{source}", 300
    async with Producer(bootstrap, batch_size=500) as producer:
        for i in range(total):
            await producer.send(source, b"%d" % i)

    async def copy(dies_after: int) -> None:
        copied = 0
        async with (
            Consumer(bootstrap, source, group=group, commit="manual", **QUICK) as consumer,
            Producer(bootstrap, transactional_id=f"copier-{source}", batch_size=200) as producer,
        ):
            while True:
                records = await consumer.poll(20, timeout_s=2)
                if not records:
                    return
                async with producer.transaction() as transaction:
                    for record in records:
                        await producer.send(target, record.value)
                        copied += 1
                        if copied == dies_after:
                            raise KeyError
                    await transaction.commit_offsets(consumer)

    with trio.fail_after(120):
        for dies_after in (5, 30, 61, 90, 0):
            try:
                await copy(dies_after)
            except KeyError:
                pass
    copied_values = await visible(bootstrap, target)
    assert sorted(int(value or b"") for value in copied_values) == list(range(total))


async def test_offsets_of_a_member_that_was_replaced_are_refused(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(new_topic)
    group = f"group-of-{topic}"
    async with Producer(bootstrap) as writer:
        await writer.send(topic, b"v")
    async with (
        Consumer(bootstrap, topic, group=group, commit="manual", **QUICK) as consumer,
        Producer(bootstrap, transactional_id=f"id-{topic}") as producer,
    ):
        await anext(consumer)
        position = consumer.group_position()
        with pytest.raises(CommitFailed):
            async with producer.transaction() as transaction:
                await transaction._transactions.add_offsets(
                    type(position)(group, position.generation + 7, position.member_id, None, position.offsets)
                )
        assert await consumer.committed(TopicPartition(topic, 0)) == {}
