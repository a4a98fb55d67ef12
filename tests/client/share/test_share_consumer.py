"""ShareConsumer against a real broker: ours, or Apache Kafka."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import trio

from odradek import (
    Admin,
    BrokerError,
    Consumer,
    ErrorCode,
    Producer,
    ResourceType,
    SerializationFailed,
    ShareConsumer,
    Shared,
    Topic,
)

CONTEXT = ("topic", "partition", "offset", "group", "delivery.count", "message")
NewTopic = Callable[..., str]
Raw = ShareConsumer[bytes | None, bytes | None]


async def prepared(bootstrap: str, new_topic: NewTopic, *values: bytes, partitions: int = 1) -> str:
    """A topic with these values, which the group of the same name shares from its beginning."""
    topic = await trio.to_thread.run_sync(new_topic, partitions)
    async with Admin(bootstrap) as admin, Producer(bootstrap) as producer:
        await admin.alter_configs(topic, ResourceType.GROUP, set={"share.auto.offset.reset": "earliest"})
        await producer.send_many(topic, values)
    return topic


@asynccontextmanager
async def member(bootstrap: str, topic: str, **options: Any) -> AsyncIterator[Raw]:
    with trio.fail_after(30):
        async with ShareConsumer(bootstrap, topic, group=topic, **options) as consumer:
            yield consumer


async def some(consumer: Raw, count: int) -> list[Shared[bytes | None, bytes | None]]:
    found: list[Shared[bytes | None, bytes | None]] = []
    while len(found) < count:
        found += await consumer.poll(count - len(found))
    return found


def values(shared: Sequence[Shared[Any, Any]]) -> list[bytes | None]:
    return [each.record.value for each in shared]


async def test_what_was_handed_out_counts_as_accepted_at_the_normal_end(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await prepared(bootstrap, new_topic, b"a", b"b", b"c")
    async with member(bootstrap, topic) as consumer:
        assert values(await some(consumer, 2)) == [b"a", b"b"]
    async with member(bootstrap, topic) as successor:
        shared = await anext(successor)
        assert (shared.record.value, shared.record.offset) == (b"c", 2)


async def test_an_exception_releases_what_nothing_was_said_of(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await prepared(bootstrap, new_topic, b"accepted", b"open")
    with pytest.raises(ZeroDivisionError):
        async with member(bootstrap, topic) as consumer:
            accepted, _ = await some(consumer, 2)
            accepted.accept()
            raise ZeroDivisionError
    async with member(bootstrap, topic) as successor:
        shared = await anext(successor)
        assert (shared.record.value, shared.delivery_count) == (b"open", 2)


async def test_a_scope_accepts_what_ends_well_and_releases_what_does_not(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await prepared(bootstrap, new_topic, b"good", b"bad", b"hopeless")
    async with member(bootstrap, topic) as consumer:
        good, bad, hopeless = await some(consumer, 3)
        async with good as record:
            assert record.value == b"good"
        with pytest.raises(ZeroDivisionError):
            async with bad:
                raise ZeroDivisionError
        async with hopeless:
            hopeless.reject()
        again = await anext(consumer)
        assert (again.record.value, again.delivery_count) == (b"bad", 2)
        again.accept()
        await consumer.commit()
        with pytest.raises(RuntimeError, match="accept"):
            again.release()


async def test_members_share_partitions_and_each_record_is_dealt_with_once(bootstrap: str, new_topic: NewTopic) -> None:
    sent = [b"%d" % number for number in range(500)]
    topic = await prepared(bootstrap, new_topic, *sent, partitions=3)
    read: Counter[bytes | None] = Counter()
    is_done = trio.Event()

    async def work() -> None:
        async with member(bootstrap, topic, max_poll_records=20) as consumer:
            async for shared in consumer:
                read[shared.record.value] += 1
                if read.total() == len(sent):
                    shared.accept()
                    is_done.set()

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(work)
        await is_done.wait()
        nursery.cancel_scope.cancel()
    assert read == Counter(sent)


async def test_explicitly_nothing_counts_that_was_not_said(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await prepared(bootstrap, new_topic, b"a", b"b")
    async with member(bootstrap, topic, acknowledge="explicit") as consumer:
        first, _ = await some(consumer, 2)
        first.accept()
    async with member(bootstrap, topic) as successor:
        assert (await anext(successor)).record.value == b"b"


async def test_renewing_says_whether_the_record_is_ours(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await prepared(bootstrap, new_topic, b"a")
    async with member(bootstrap, topic, acknowledge="explicit") as consumer:
        shared = await anext(consumer)
        await shared.renew()
        shared.accept()
        await consumer.commit()
        with pytest.raises(RuntimeError, match="accept"):
            await shared.renew()


async def test_what_does_not_count_is_raised_by_commit(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await prepared(bootstrap, new_topic, b"a", b"b")
    async with member(bootstrap, topic, acknowledge="explicit") as consumer:
        _, second = await some(consumer, 2)
        second.accept()
        await consumer.commit()
        second.verdict = None
        second.release()
        with pytest.raises(BrokerError) as refused:
            await consumer.commit()
        assert refused.value.code is ErrorCode.INVALID_RECORD_STATE
        await consumer.commit()


async def test_a_record_that_cannot_be_read_is_released_and_stops_no_other(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await prepared(bootstrap, new_topic, b"1", b"no number", b"3")
    typed = Topic(topic, value=int)
    with trio.fail_after(30):
        async with ShareConsumer(bootstrap, typed, group=topic) as consumer:
            read, failures = list[Any](), 0
            while len(read) < 2 or failures < 5:
                try:
                    read.append((await anext(consumer)).record.value)
                except SerializationFailed:
                    failures += 1
            await consumer.commit()
            assert (read, await consumer.poll(timeout_s=0.1)) == ([1, 3], [])


async def test_what_is_given_up_is_in_the_dead_letter_topic_as_kafka_writes_it(
    bootstrap: str, new_topic: NewTopic
) -> None:
    topic = await prepared(bootstrap, new_topic, b"rejected", b"released")
    graves = f"dlq.{topic}"
    async with Admin(bootstrap) as admin:
        await admin.create_topic(graves, 1, 1, configs={"errors.deadletterqueue.group.enable": "true"})
        settings = {
            "errors.deadletterqueue.topic.name": graves,
            "errors.deadletterqueue.copy.record.enable": "true",
            "share.delivery.count.limit": "2",
        }
        await admin.alter_configs(topic, ResourceType.GROUP, set=settings)
    async with member(bootstrap, topic, acknowledge="explicit") as consumer:
        for count in (2, 1):
            for shared in await some(consumer, count):
                if shared.record.value == b"released":
                    shared.release()
                else:
                    shared.reject()
        await consumer.commit()
    with trio.fail_after(30):
        async with Consumer(bootstrap, graves) as dead:
            found = [await anext(dead) for _ in range(2)]
    assert [(each.value, [name for name, _ in each.headers]) for each in found] == [
        (value, [f"__dlq.errors.{name}" for name in CONTEXT]) for value in (b"rejected", b"released")
    ]
    assert [dict(each.headers)["__dlq.errors.message"] for each in found] == [
        b"Offset rejected by client.",
        b"Offset delivery count exceeded the threshold.",
    ]


async def test_a_poll_gives_up_in_time(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await prepared(bootstrap, new_topic)
    async with member(bootstrap, topic) as consumer:
        assert await consumer.poll(timeout_s=0.05) == []


async def test_nonsense_is_refused_when_the_consumer_is_made() -> None:
    with pytest.raises(ValueError, match="no topics"):
        ShareConsumer("localhost:1", [], group="g")
    with pytest.raises(ValueError, match="acknowledge"):
        ShareConsumer("localhost:1", "t", group="g", acknowledge=cast("Any", "perhaps"))
    with pytest.raises(ValueError, match="positive"):
        ShareConsumer("localhost:1", "t", group="g", max_poll_records=0)


async def test_a_share_consumer_that_is_not_open_says_so(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await prepared(bootstrap, new_topic, b"open")
    consumer = ShareConsumer(bootstrap, topic, group=topic)
    with pytest.raises(RuntimeError, match="the share consumer is not open"):
        await anext(consumer)
    async with consumer:
        pass
    with trio.fail_after(5):
        for ask in (consumer.__anext__, consumer.poll, consumer.commit):
            with pytest.raises(RuntimeError, match="not open"):
                await ask()


async def test_health_says_what_a_share_consumer_has_in_hand(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await prepared(bootstrap, new_topic, b"a", b"b", b"c")
    consumer = ShareConsumer(bootstrap, topic, group=topic, acknowledge="explicit")
    assert (consumer.health().member_epoch, consumer.health().assignment) == (0, [])
    with trio.fail_after(30):
        async with consumer:
            first, _ = await consumer.poll(2)
            health = consumer.health()
            assert (health.fetched_count, health.undecided_count, health.is_settled) == (1, 2, True)
            assert health.member_epoch > 0 and health.coordinator is not None and health.connections
            assert health.assignment == [(topic, 0)]
            first.accept()
            assert (consumer.health().undecided_count, consumer.health().is_settled) == (1, False)
            await consumer.commit()
            assert consumer.health().is_settled
    assert (consumer.health().member_id, consumer.health().connections) == ("", [])


async def test_a_share_consumer_that_is_cancelled_leaves_and_releases_what_it_has(
    bootstrap: str, new_topic: NewTopic
) -> None:
    topic = await prepared(bootstrap, new_topic, b"open")
    with trio.CancelScope() as scope:
        async with member(bootstrap, topic) as consumer:
            await anext(consumer)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    async with Admin(bootstrap) as admin:
        assert (await admin.describe_share_group(topic)).members == ()
    async with member(bootstrap, topic) as successor:
        shared = await anext(successor)
        assert (shared.record.value, shared.delivery_count) == (b"open", 2)


async def test_a_fetch_that_is_not_answered_yet_keeps_no_share_consumer_in_its_group(
    bootstrap: str, new_topic: NewTopic
) -> None:
    topic = await prepared(bootstrap, new_topic)
    with trio.CancelScope() as scope:
        async with member(bootstrap, topic, fetch_max_wait_ms=10_000, close_timeout_ms=1_500) as consumer:
            while not consumer.assignment:
                await consumer.poll(timeout_s=0.02)
            await consumer.poll(timeout_s=0.1)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    async with Admin(bootstrap) as admin:
        assert (await admin.describe_share_group(topic)).members == ()
