"""Lag is what a consumer would still get: asked of a broker that counts, and of one that does not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest
import trio
import trio.testing

from odradek import Admin, Consumer, Lag, Producer, Span, TopicPartition, UnknownTopicOrPartition
from odradek.cluster import connection
from odradek.consumer import lags
from odradek.consumer.lags import Lags
from referee import Odradek

CHOICE = os.environ.get("ODRADEK_INTEROP_BROKER", "odradek")
NewTopic = Callable[..., str]


@pytest.fixture(scope="module")
def bootstrap(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a broker that counts, whoever is the judge of the other tests."""
    if CHOICE == "odradek":
        yield bootstrap
        return
    broker = Odradek(tmp_path_factory.mktemp("counting") / "data", {})
    broker.start()
    try:
        yield broker.bootstrap
    finally:
        broker.stop()


@pytest.fixture
async def partition(new_topic: NewTopic) -> TopicPartition:
    return TopicPartition(await trio.to_thread.run_sync(new_topic), 0)


async def ask(bootstrap: str, partition: TopicPartition, span: Span, *, read_committed: bool = False) -> Lag:
    async with Admin(bootstrap) as admin:
        return (await admin.count_records({partition: span}, read_committed=read_committed))[partition]


async def all_is_stable(bootstrap: str, partition: TopicPartition, end: int) -> None:
    """Wait for the markers of transactions that have ended."""
    async with Consumer(bootstrap, isolation_level="read_committed") as consumer:
        await consumer.assign([partition])
        with trio.fail_after(20):
            while (consumer.position(partition) or 0) < end:
                await consumer.poll(timeout_s=0.1)


async def test_markers_and_aborted_records_are_no_lag(bootstrap: str, partition: TopicPartition) -> None:
    async with Producer(bootstrap, transactional_id=f"{partition.topic}-t") as producer:
        async with producer.transaction():
            await producer.send_many(partition.topic, [b"kept"] * 3, partition=0)
        with pytest.raises(ZeroDivisionError):
            async with producer.transaction():
                await producer.send_many(partition.topic, [b"aborted"] * 4, partition=0)
                await producer.flush()
                raise ZeroDivisionError
    await all_is_stable(bootstrap, partition, 9)
    lag = await ask(bootstrap, partition, Span(0), read_committed=True)
    assert (lag.records, lag.end, lag.is_counted) == (3, 9, True)
    assert (await ask(bootstrap, partition, Span(0))).records == 7
    assert (await ask(bootstrap, partition, Span(3), read_committed=True)).records == 0


async def test_age_is_that_of_the_record_that_comes_next(bootstrap: str, partition: TopicPartition) -> None:
    now_ms = time.time_ns() // 1_000_000
    async with Producer(bootstrap) as producer:
        for age_s in (3600, 60):
            await producer.send_and_wait(partition.topic, b"v", timestamp_ms=now_ms - age_s * 1000, partition=0)
    for offset, age_s in ((0, 3600), (1, 60)):
        lag = await ask(bootstrap, partition, Span(offset))
        assert lag.age_s is not None
        assert age_s <= lag.age_s < age_s + 50
    assert await ask(bootstrap, partition, Span(2)) == Lag(2, 2, 0, 0, None, is_counted=True)


async def test_a_span_counts_what_lies_in_it_and_is_there(bootstrap: str, partition: TopicPartition) -> None:
    async with Producer(bootstrap) as producer:
        await producer.send_many(partition.topic, [b"%d" % number for number in range(10)], partition=0)
    async with Admin(bootstrap, request_timeout_ms=500) as admin:
        await admin.delete_records({partition: 4})
        with pytest.raises(UnknownTopicOrPartition):
            await admin.count_records({TopicPartition(partition.topic, 7): Span(0)})
    found = [await ask(bootstrap, partition, span) for span in (Span(0), Span(2, 6), Span(5, 7), Span(8, 99), Span(50))]
    assert [lag.records for lag in found] == [6, 2, 2, 2, 0]


async def test_a_group_that_has_read_all_has_no_lag_whatever_offsets_are_taken(
    bootstrap: str, partition: TopicPartition
) -> None:
    group = partition.topic
    async with Producer(bootstrap, transactional_id=f"{partition.topic}-t") as producer, producer.transaction():
        await producer.send_many(partition.topic, [b"v"] * 5, partition=0)
    await all_is_stable(bootstrap, partition, 6)
    async with Consumer(bootstrap, group=group, isolation_level="read_committed") as consumer:
        await consumer.assign([partition])
        with trio.fail_after(10):
            for _ in range(5):
                record = await anext(consumer)
        await consumer.commit(record)
    async with Admin(bootstrap) as admin:
        lag = (await admin.group_lag(group, read_committed=True))[partition]
    assert (lag.offset, lag.end, lag.records, lag.size_bytes, lag.age_s) == (5, 6, 0, 0, None)


async def test_who_is_not_told_that_the_broker_counts_tells_offsets_and_says_so(
    bootstrap: str, partition: TopicPartition, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Producer(bootstrap) as producer:
        await producer.send_many(partition.topic, [b"v"] * 5, partition=0)
    monkeypatch.setattr(connection, "SOFTWARE_NAME", "another")
    assert await ask(bootstrap, partition, Span(2)) == Lag(2, 5, 3, None, None, is_counted=False)
    assert (await ask(bootstrap, partition, Span(1, 3))).records == 2
    assert await ask(bootstrap, partition, Span(5)) == Lag(5, 5, 0, None, None, is_counted=True)


async def test_the_health_of_a_consumer_tells_what_was_counted_and_how_long_ago(
    bootstrap: str, partition: TopicPartition
) -> None:
    async with Producer(bootstrap, transactional_id=f"{partition.topic}-t") as producer:
        for value in (b"a", b"b"):
            async with producer.transaction():
                await producer.send_many(partition.topic, [value] * 3, partition=0)
    await all_is_stable(bootstrap, partition, 8)
    async with Consumer(bootstrap, isolation_level="read_committed") as consumer:
        await consumer.assign([partition])
        with trio.fail_after(20):
            await anext(consumer)
            while (health := consumer.health().partitions[0]).counted_s is None:
                assert (health.lag, health.lag_bytes) == (7, None)
                await trio.testing.wait_all_tasks_blocked(0.01)
            assert (health.lag, consumer.health().lag) == (5, 5)
            assert health.lag_bytes
            assert health.lag_age_s is not None
            lag = (await consumer.count_lag())[partition]
            assert (lag.offset, lag.records, lag.end) == (1, 5, 8)
            for _ in range(5):
                await anext(consumer)
            assert (await consumer.count_lag())[partition].records == 0
            assert await consumer.poll(timeout_s=0.1) == []
            health = consumer.health().partitions[0]
    assert (health.position, health.lag, health.lag_bytes, health.lag_age_s) == (8, 0, 0, None)


async def test_who_looks_once_asks_a_broker_that_does_not_count_once(
    bootstrap: str, partition: TopicPartition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SOFTWARE_NAME", "another")
    asked = 0
    count = Lags.count

    async def counting(self: Lags) -> dict[TopicPartition, Lag]:
        nonlocal asked
        asked += 1
        return await count(self)

    monkeypatch.setattr(Lags, "count", counting)
    monkeypatch.setattr(lags, "ASK_EVERY_S", 0.01)
    async with Producer(bootstrap) as producer:
        await producer.send_many(partition.topic, [b"v"] * 3, partition=0)
    async with Consumer(bootstrap) as consumer:
        await consumer.assign([partition])
        with trio.fail_after(20):
            await anext(consumer)
            health = consumer.health().partitions[0]
            while not asked:
                await trio.testing.wait_all_tasks_blocked(0.01)
            await consumer.end_offsets()
            await trio.testing.wait_all_tasks_blocked(0.05)
    assert (health.lag, health.counted_s, asked) == (2, None, 1)
