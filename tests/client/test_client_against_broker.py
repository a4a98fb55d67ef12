"""Producer, Consumer and Admin against a real broker: ours, or Apache Kafka."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import trio

from odradek import (
    Admin,
    Consumer,
    GroupNotEmpty,
    GroupNotFound,
    InvalidConfig,
    Producer,
    Record,
    Topic,
    TopicAlreadyExists,
    TopicPartition,
    Undelivered,
    UnknownTopicOrPartition,
)

NewTopic = Callable[..., str]
QUICK: dict[str, Any] = {"heartbeat_interval_ms": 100, "session_timeout_ms": 6_000}


async def read_all(bootstrap: str, topic: str, count: int, **options: Any) -> list[Record[Any, Any]]:
    records: list[Record[Any, Any]] = []
    with trio.fail_after(30):
        async with Consumer(bootstrap, topic, **options) as consumer:
            while len(records) < count:
                records += await consumer.poll(count - len(records), timeout_s=10)
    return records


async def test_many_at_once_are_as_if_sent_one_by_one(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(new_topic)
    values: list[bytes | None] = [None, b"", *(b"%d" % i * 100 for i in range(3000)), b"x" * 300_000]
    async with Producer(bootstrap, batch_size=20_000, buffer_memory=100_000) as producer:
        await producer.send(topic, b"before")
        await producer.send_many(topic, values, key=b"k", headers={"h": b"1"}, partition=0)
        await producer.send(topic, b"after")
        with pytest.raises(TypeError, match=r"a value is bytes or None, not str"):
            await producer.send_many(topic, [b"taken", "text"])  # type: ignore[list-item]
        with pytest.raises(ValueError, match="partitions 0 to 0"):
            await producer.send_many(topic, [b"v"], partition=-1)
    got = await read_all(bootstrap, topic, len(values) + 3)
    assert [r.value for r in got] == [b"before", *values, b"after", b"taken"]
    assert {(r.key, r.headers) for r in got[1:-2]} == {(b"k", (("h", b"1"),))}


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_what_is_written_is_read(bootstrap: str, new_topic: NewTopic, compression: Any) -> None:
    topic = await trio.to_thread.run_sync(new_topic)
    sent = [
        (None, b"value", ()),
        (b"key", None, ()),
        (b"", b"", (("h", b"1"), ("h", None), ("\u00e9", b""))),
        (b"k", os.urandom(200_000), ()),
        *((b"%d" % i, b"text " * i, (("n", b"%d" % i),)) for i in range(300)),
    ]
    async with Producer(bootstrap, compression=compression, batch_size=20_000) as producer:
        for key, value, headers in sent:
            await producer.send(topic, value, key=key, headers=headers, timestamp_ms=1_700_000_000_000)
    got = await read_all(bootstrap, topic, len(sent))
    assert [(r.key, r.value, r.headers) for r in got] == sent
    assert [r.offset for r in got] == list(range(len(sent)))
    assert {r.timestamp for r in got} == {1_700_000_000_000}


async def test_a_large_compressed_batch_goes_through_a_worker_thread(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(new_topic)
    value = b"compressible " * 2_000
    async with Producer(bootstrap, compression="zstd", batch_size=900_000) as producer:
        for _ in range(100):
            await producer.send(topic, value)
    assert [r.value for r in await read_all(bootstrap, topic, 100)] == [value] * 100


async def test_equal_keys_go_to_one_partition_and_keep_their_order(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(new_topic, 4)
    async with Producer(bootstrap, batch_size=2_000) as producer:
        for i in range(2_000):
            await producer.send(topic, b"%d" % i, key=b"key %d" % (i % 50))
    records = await read_all(bootstrap, topic, 2_000)
    partitions: dict[bytes, set[int]] = {}
    latest: Counter[bytes] = Counter()
    for record in records:
        partitions.setdefault(record.key, set()).add(record.partition)
        number = int(record.value) + 1
        assert number > latest[record.key]
        latest[record.key] = number
    assert all(len(found) == 1 for found in partitions.values())
    assert len(set().union(*partitions.values())) == 4


async def test_records_without_a_key_are_spread(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(new_topic, 4)
    async with Producer(bootstrap, batch_size=1_000) as producer:
        for i in range(1_000):
            await producer.send(topic, b"%d" % i)
    counts = Counter(record.partition for record in await read_all(bootstrap, topic, 1_000))
    assert len(counts) == 4
    assert min(counts.values()) > 100


async def test_a_topic_made_by_sending_to_it(bootstrap: str) -> None:
    topic = "made-by-sending-" + hashlib.sha1(os.urandom(8)).hexdigest()[:8]
    with trio.fail_after(20):
        async with Producer(bootstrap) as producer:
            assert (await producer.send_and_wait(topic, b"v")).offset == 0


async def test_a_record_above_the_topics_limit_is_refused_and_its_neighbours_are_not(
    bootstrap: str, new_topic: NewTopic
) -> None:
    topic = await trio.to_thread.run_sync(lambda: new_topic(max_message_bytes="10000"))
    with pytest.raises(Undelivered, match="MESSAGE_TOO_LARGE"):
        async with Producer(bootstrap, batch_size=5_000) as producer:
            for i in range(50):
                await producer.send(topic, b"x" * (20_000 if i == 20 else 1_000))
    assert len(await read_all(bootstrap, topic, 49)) == 49


class Flight(msgspec.Struct):
    origin: str
    minutes: int


@pytest.mark.parametrize("form", ["json", "msgpack"])
async def test_a_typed_topic_round_trips(bootstrap: str, new_topic: NewTopic, form: Any) -> None:
    flights = Topic(await trio.to_thread.run_sync(new_topic), key=str, value=Flight, format=form)
    async with Producer(bootstrap) as producer:
        await producer.send(flights, Flight("EWR", 227), key="UA1545")
    async with Consumer(bootstrap, flights) as consumer:
        record = await anext(consumer)
    assert (record.key, record.value) == ("UA1545", Flight("EWR", 227))


# ------------------------------------------------------------------------------------------------------ groups


@pytest.mark.slow
@pytest.mark.parametrize("assignor", ["cooperative-sticky", "range", "roundrobin", "sticky"])
async def test_members_share_partitions_and_lose_nothing_when_they_come_and_go(
    bootstrap: str, new_topic: NewTopic, assignor: Any
) -> None:
    """One member reads; two more join while records are written; one leaves again. Each record is read at least once,
    and, as all leave in good order, not twice."""
    topic = await trio.to_thread.run_sync(new_topic, 6)
    group = f"group-of-{topic}"
    seen: Counter[tuple[int, int]] = Counter()
    total = 3_000

    async def member(until: trio.Event, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        async with Consumer(bootstrap, topic, group=group, assignors=[assignor], **QUICK) as consumer:
            task_status.started(consumer)
            while not until.is_set():
                for record in await consumer.poll(100, timeout_s=0.1):
                    seen[record.partition, record.offset] += 1

    async def write() -> None:
        async with Producer(bootstrap, linger_ms=0) as producer:
            for i in range(total):
                await producer.send_and_wait(topic, b"v", partition=i % 6) if i % 10 == 0 else await producer.send(
                    topic, b"v", partition=i % 6
                )

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            first_ends, rest_ends = trio.Event(), trio.Event()
            await nursery.start(member, first_ends)
            nursery.start_soon(write)
            second = await nursery.start(member, rest_ends)
            third = await nursery.start(member, rest_ends)
            while not (second.assignment and third.assignment):  # noqa: ASYNC110 - they poll in tasks of their own
                await trio.sleep(0.05)
            first_ends.set()
            while len(second.assignment) + len(third.assignment) < 6 or len(seen) < total:  # noqa: ASYNC110 - as above
                await trio.sleep(0.05)
            assert len(second.assignment) == len(third.assignment) == 3
            rest_ends.set()
    assert len(seen) == total
    assert max(seen.values()) == 1


async def test_a_static_member_comes_back_to_its_partitions_without_a_rebalance(
    bootstrap: str, new_topic: NewTopic
) -> None:
    topic = await trio.to_thread.run_sync(new_topic, 4)
    group = f"group-of-{topic}"
    with trio.fail_after(40):
        async with Consumer(bootstrap, topic, group=group, instance_id="a", **QUICK) as a:
            await a.wait_assigned()
            async with Consumer(bootstrap, topic, group=group, instance_id="b", **QUICK) as b:
                while len(a.assignment) != 2 or len(b.assignment) != 2:
                    await a.poll(timeout_s=0.05)
                    await b.poll(timeout_s=0.05)
                had = b.assignment
                generation = a.health().group
            async with Consumer(bootstrap, topic, group=group, instance_id="b", **QUICK) as b:
                assert await b.wait_assigned() == had
                await trio.sleep(0.3)
                now = a.health().group
                assert generation is not None and now is not None
                assert now.generation == generation.generation


async def test_a_member_that_dies_is_replaced_and_what_it_did_not_commit_comes_again(
    bootstrap: str, new_topic: NewTopic
) -> None:
    topic = await trio.to_thread.run_sync(new_topic)
    group = f"group-of-{topic}"
    async with Producer(bootstrap) as producer:
        for i in range(10):
            await producer.send(topic, b"%d" % i)
    with pytest.raises(KeyError):
        async with Consumer(bootstrap, topic, group=group, **QUICK) as consumer:
            for _ in range(5):
                await anext(consumer)
            raise KeyError
    records = await read_all(bootstrap, topic, 10, group=group, **QUICK)
    assert [r.offset for r in records] == list(range(10))


# ------------------------------------------------------------------------------------------------ looking around


async def test_seek_to_a_time_finds_the_first_record_from_then_on(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(new_topic)
    async with Producer(bootstrap, batch_size=200) as producer:
        for i in range(100):
            await producer.send(topic, b"%d" % i, timestamp_ms=1_700_000_000_000 + i * 1000)
    with trio.fail_after(20):
        async with Consumer(bootstrap, topic) as consumer:
            await consumer.wait_assigned()
            await consumer.seek_to_time(1_700_000_000_000 + 41_500)
            assert (await anext(consumer)).offset == 42


async def test_records_that_were_deleted_are_passed_over(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(new_topic)
    partition = TopicPartition(topic, 0)
    async with Producer(bootstrap, batch_size=100) as producer:
        for i in range(50):
            await producer.send(topic, b"%d" % i)
    async with Admin(bootstrap) as admin:
        assert await admin.delete_records({partition: 30}) == {partition: 30}
        assert await admin.beginning_offsets([partition]) == {partition: 30}
    with trio.fail_after(20):
        async with Consumer(bootstrap) as consumer:
            await consumer.assign([partition])
            consumer.seek(partition, 3)
            assert (await anext(consumer)).offset == 30


async def test_an_administrator_makes_changes_and_deletes_topics(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(lambda: new_topic(2, retention_ms="100000"))
    async with Admin(bootstrap) as admin:
        with pytest.raises(TopicAlreadyExists):
            await admin.create_topic(topic)
        with pytest.raises(InvalidConfig):
            await admin.create_topic(f"{topic}-x", 1, 1, configs={"retention.ms": "soon"})
        await admin.create_topic(f"{topic}-y", 1, 1, validate_only=True)
        assert topic in await admin.list_topics()
        assert f"{topic}-y" not in await admin.list_topics()
        await admin.create_partitions(topic, 3)
        assert len((await admin.describe_topic(topic)).partitions) == 3
        await admin.alter_configs(topic, set={"retention.ms": "5000"})
        entry = (await admin.describe_configs(topic))["retention.ms"]
        assert (entry.value, entry.is_default) == ("5000", False)
        await admin.alter_configs(topic, delete=["retention.ms"])
        assert (await admin.describe_configs(topic, keys=["retention.ms"]))["retention.ms"].is_default
        cluster = await admin.describe_cluster()
        assert cluster.cluster_id and cluster.brokers
        await admin.delete_topic(topic)
        with pytest.raises(UnknownTopicOrPartition):
            await admin.describe_topic(topic)


async def test_an_administrator_looks_after_groups(bootstrap: str, new_topic: NewTopic) -> None:
    topic = await trio.to_thread.run_sync(new_topic, 1)
    group, partition = f"group-of-{topic}", TopicPartition(topic, 0)
    async with Producer(bootstrap) as producer:
        for _ in range(10):
            await producer.send(topic, b"v")
    async with Admin(bootstrap) as admin:
        with pytest.raises(GroupNotFound):
            await admin.describe_group(group)
        async with Consumer(bootstrap, topic, group=group, **QUICK) as consumer:
            for _ in range(5):
                await anext(consumer)
            described = await admin.describe_group(group)
            assert (described.state, described.assignor) == ("Stable", "cooperative-sticky")
            assert [m.partitions for m in described.members] == [(partition,)]
            with pytest.raises(GroupNotEmpty):
                await admin.delete_group(group)
        assert (await admin.group_lag(group))[partition].records == 5
        await admin.alter_group_offsets(group, {partition: 2})
        assert (await admin.group_offsets(group))[partition].offset == 2
        assert group in [listed.group_id for listed in await admin.list_groups()]
        await admin.delete_group_offsets(group, [partition])
        assert await admin.group_offsets(group) == {}
        await admin.delete_group(group)
        with pytest.raises(GroupNotFound):
            await admin.describe_group(group)
