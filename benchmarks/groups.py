"""Groups of the consumer protocol, and share groups: how soon members have what is theirs, and what groups cost.

    python -m benchmarks.run groups

The client is odradek's, in this process, the same for every broker; groups have sessions of six seconds and heartbeats
of one, so that a death is noticed within the measurement. A member dies by being silent. What it costs those that keep
their partitions is the longest time between two records of such a partition, while others come, at 50 records/s.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import trio

from benchmarks.client_processes import fresh_topic
from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE, Contender
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale
from benchmarks.startup import SETTLE_SECONDS, memory_mib
from odradek import Admin, Consumer, Producer, ResourceType, ShareConsumer, TopicPartition
from odradek.cluster.coordinator import GROUP, Coordinator
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from referee import BrokerProcess

FIRST_RECORD_MS = 100.0
CROWDS = (20, 100)
PARTITIONS = 300
COMMITS, COMMIT_GROUPS, AT_ONCE = 10_000, 100, 50
SHARED_RECORDS, VALUE = 100_000, b"." * 100
RELEASES = 50
GROUPS, MEMBERS = 1_000, 10
PACE_S = 0.02
PATIENCE_S = 180.0
EVEN = {PAGE_CACHE: 1.0, FSYNC: 1.0}
QUICK_SESSIONS = {"consumer.session.timeout.ms": "6000", "consumer.heartbeat.interval.ms": "1000"}
Member = Consumer[bytes | None, bytes | None]


def measure(contenders: list[Contender], scale: Scale) -> Iterator[Measurement]:
    first = Measurement(
        "group: subscribe to first record", "ms", False, KAFKA, EVEN, dict.fromkeys(EVEN, FIRST_RECORD_MS)
    )
    stable = {n: Measurement(f"group: {n} members until stable", "s", False, KAFKA, EVEN) for n in CROWDS}
    death = Measurement("group: a death until stable", "s", False, KAFKA, EVEN)
    pause = Measurement("group: pause of who keeps its partitions", "ms", False, KAFKA, EVEN)
    commits = {n: Measurement(f"group: commits in {n} groups", "1/s", True, KAFKA, EVEN) for n in (1, COMMIT_GROUPS)}
    shared = Measurement("share group: records out", "records/s", True, KAFKA, EVEN)
    again = Measurement("share group: released to delivered again", "ms", False, KAFKA, EVEN)
    held = Measurement(f"group: memory for {GROUPS:,} of {MEMBERS} members", "MiB", False, KAFKA, EVEN)
    for _ in range(scale.rounds):
        for contender in contenders:
            name, broker = contender.name, contender.broker
            with fresh_topic(broker) as topic:
                first.add(name, trio.run(first_record_ms, broker, topic))
            for count, measurement in stable.items():
                with fresh_topic(broker, PARTITIONS) as topic:
                    until_stable_s, after_death_s = trio.run(crowd_s, broker, topic, count)
                measurement.add(name, until_stable_s)
                if count == CROWDS[0]:
                    death.add(name, after_death_s)
            with fresh_topic(broker, 12) as topic:
                pause.add(name, trio.run(longest_pause_ms, broker, topic))
            with fresh_topic(broker) as topic:
                for count, measurement in commits.items():
                    measurement.add(name, trio.run(commits_per_s, broker, topic, count, scale.records(COMMITS)))
            with fresh_topic(broker) as topic:
                shared.add(name, trio.run(shared_per_s, broker, topic, scale.records(SHARED_RECORDS)))
            with fresh_topic(broker) as topic:
                again.add(name, trio.run(again_ms, broker, topic))
    for contender in contenders:
        contender.broker.stop()  # a heap that has been filled before grows no more, whatever there is in it
        contender.broker.start()
        with fresh_topic(contender.broker, 10) as topic:
            held.add(contender.name, trio.run(memory_of_groups_mib, contender.broker, topic))
    yield from (first, *stable.values(), death, pause, *commits.values(), shared, again, held)


def _new_group() -> str:
    return f"measured-{uuid.uuid4().hex[:8]}"


@asynccontextmanager
async def _member(broker: BrokerProcess, topic: str, group: str) -> AsyncIterator[Member]:
    async with Consumer(broker.bootstrap, topic, group=group, protocol="consumer", commit="manual") as consumer:
        yield consumer


async def _quick_group(broker: BrokerProcess) -> str:
    group = _new_group()
    async with Admin(broker.bootstrap) as admin:
        await admin.alter_configs(group, ResourceType.GROUP, set=QUICK_SESSIONS)
    return group


# --------------------------------------------------------------------------------------------------------- membership


async def first_record_ms(broker: BrokerProcess, topic: str) -> float:
    async with Producer(broker.bootstrap) as producer:
        await producer.send(topic, b"x")
    took_ms = []
    for _ in range(5):
        began = time.perf_counter()
        async with _member(broker, topic, _new_group()) as consumer:
            await anext(consumer)
            took_ms.append(1000 * (time.perf_counter() - began))
    return min(took_ms[1:])


class Crowd:
    """Members of one group in this process."""

    def __init__(self, broker: BrokerProcess, topic: str, group: str) -> None:
        self._broker, self._topic, self._group = broker, topic, group
        self.members: dict[int, Member] = {}
        self.arrivals: dict[TopicPartition, list[tuple[float, int]]] = {}
        """Of each partition, when a record came, and to which member."""

    async def be(self, number: int, scope: trio.CancelScope) -> None:
        with scope:
            async with _member(self._broker, self._topic, self._group) as consumer:
                self.members[number] = consumer
                try:
                    while True:
                        for record in await consumer.poll(timeout_s=1):
                            came = (time.perf_counter(), number)
                            self.arrivals.setdefault(record.topic_partition, []).append(came)
                finally:
                    del self.members[number]

    async def until_stable(self, count: int, partitions: int) -> None:
        """Every partition is one member's, and every member has some."""
        with trio.fail_after(PATIENCE_S):
            while True:
                shares = [frozenset(each.assignment) for each in self.members.values()]
                whole = frozenset().union(*shares)
                if len(shares) == count and all(shares) and sum(map(len, shares)) == len(whole) == partitions:
                    return
                await trio.sleep(0.01)


async def crowd_s(broker: BrokerProcess, topic: str, count: int) -> tuple[float, float]:
    """Until so many members that come at once have their partitions; when one has died, until the others have its."""
    crowd = Crowd(broker, topic, await _quick_group(broker))
    scopes = [trio.CancelScope() for _ in range(count)]
    async with trio.open_nursery() as nursery:
        began = time.perf_counter()
        for number, scope in enumerate(scopes):
            nursery.start_soon(crowd.be, number, scope)
        await crowd.until_stable(count, PARTITIONS)
        stable_s = time.perf_counter() - began
        dying: Any = crowd.members.pop(0)
        dying._group._beat_once = trio.sleep_forever  # it says nothing any more, not even that it goes
        crowd.members[0] = dying
        began = time.perf_counter()
        with trio.fail_after(PATIENCE_S):
            while sum(len(each.assignment) for n, each in crowd.members.items() if n) < PARTITIONS:  # noqa: ASYNC110
                await trio.sleep(0.01)
        death_s = time.perf_counter() - began
        nursery.cancel_scope.cancel()
    return stable_s, death_s


async def longest_pause_ms(broker: BrokerProcess, topic: str) -> float:
    """Of partitions that stay with their members while the group grows from two members to six."""
    crowd = Crowd(broker, topic, await _quick_group(broker))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_write_steadily, broker, topic)
        for number in range(2):
            nursery.start_soon(crowd.be, number, trio.CancelScope())
        await crowd.until_stable(2, 12)
        await trio.sleep(1)
        began = time.perf_counter()
        for number in range(2, 6):
            nursery.start_soon(crowd.be, number, trio.CancelScope())
        await crowd.until_stable(6, 12)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    kept = [came for came in crowd.arrivals.values() if len({member for _, member in came}) == 1]
    pauses = [later - at for came in kept for (at, _), (later, _) in pairwise(came) if later > began]
    return 1000 * max(pauses, default=math.inf)


async def _write_steadily(broker: BrokerProcess, topic: str) -> None:
    async with Producer(broker.bootstrap, linger_ms=0) as producer:
        while True:
            for partition in range(12):
                await producer.send(topic, b"x", partition=partition)
            await trio.sleep(PACE_S)


# -------------------------------------------------------------------------------------------------------------- commits


async def commits_per_s(broker: BrokerProcess, topic: str, groups: int, count: int) -> float:
    prefix = _new_group()
    async with Admin(broker.bootstrap) as admin:
        coordinators = [Coordinator(admin._cluster, GROUP, f"{prefix}-{number}") for number in range(groups)]
        for number in range(groups):
            await _commit(coordinators[number], f"{prefix}-{number}", topic, 0)
        left = iter(range(count))

        async def some() -> None:
            for number in left:
                await _commit(coordinators[number % groups], f"{prefix}-{number % groups}", topic, number)

        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(some)
        return count / (time.perf_counter() - began)


async def _commit(coordinator: Coordinator, group: str, topic: str, offset: int) -> None:
    topics = [OffsetCommitRequestTopic(name=topic, partitions=[OffsetCommitRequestPartition(0, offset)])]
    request = OffsetCommitRequest(group, -1, "", topics=topics)
    answer: OffsetCommitResponse = await coordinator.ask_until_answered(
        request, OffsetCommitResponse, lambda each: each.topics[0].partitions[0].error_code, at_most=9
    )
    assert answer.topics[0].partitions[0].error_code == 0


# --------------------------------------------------------------------------------------------------------- share groups


@asynccontextmanager
async def _sharer(broker: BrokerProcess, topic: str, **options: Any) -> AsyncIterator[ShareConsumer[Any, Any]]:
    group = _new_group()
    async with Admin(broker.bootstrap) as admin:
        await admin.alter_configs(group, ResourceType.GROUP, set={"share.auto.offset.reset": "earliest"})
    async with ShareConsumer(broker.bootstrap, topic, group=group, **options) as consumer:
        yield consumer


async def shared_per_s(broker: BrokerProcess, topic: str, count: int) -> float:
    """Accepted by one member, five hundred at a time; the time counts from the first on."""
    async with Producer(broker.bootstrap) as producer:
        for _ in range(count):
            await producer.send(topic, VALUE)
    async with _sharer(broker, topic) as consumer:
        seen = len(await consumer.poll(500))
        began, from_here = time.perf_counter(), seen
        while seen < count:
            seen += len(await consumer.poll(500))
        await consumer.commit()
        return (count - from_here) / (time.perf_counter() - began)


async def again_ms(broker: BrokerProcess, topic: str) -> float:
    """From the release of a record until it is in hand again; the median."""
    async with Producer(broker.bootstrap) as producer:
        for _ in range(RELEASES):
            await producer.send(topic, VALUE)
    took_ms: list[float] = []
    async with _sharer(broker, topic, acknowledge="explicit", max_poll_records=1) as consumer:
        while len(took_ms) < RELEASES:
            (shared,) = await consumer.poll(1)
            began = time.perf_counter()
            shared.release()
            await consumer.commit()  # Kafka gives what was released with a fetch only to the next one
            (again,) = await consumer.poll(1)
            took_ms.append(1000 * (time.perf_counter() - began))
            assert again.record.offset == shared.record.offset
            again.accept()
            await consumer.commit()
    return sorted(took_ms)[len(took_ms) // 2]


# ---------------------------------------------------------------------------------------------------------- many groups


async def memory_of_groups_mib(broker: BrokerProcess, topic: str) -> float:
    """By how much a process that has just begun grows; what the first group needs, and all share, is not counted."""
    async with Admin(broker.bootstrap) as admin:
        await _join(Coordinator(admin._cluster, GROUP, "first"), "first", topic)
        await trio.sleep(SETTLE_SECONDS)
        before_mib = memory_mib(broker.pid)
        left = iter(range(GROUPS))

        async def some() -> None:
            for number in left:
                coordinator = Coordinator(admin._cluster, GROUP, f"many-{number}")
                for _ in range(MEMBERS):
                    await _join(coordinator, f"many-{number}", topic)

        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(some)
        await trio.sleep(SETTLE_SECONDS)
    return memory_mib(broker.pid) - before_mib


async def _join(coordinator: Coordinator, group: str, topic: str) -> None:
    request = ConsumerGroupHeartbeatRequest(
        *(group, str(uuid.uuid4()), 0),
        rebalance_timeout_ms=300_000,
        subscribed_topic_names=[topic],
        topic_partitions=[],
    )
    answer: ConsumerGroupHeartbeatResponse = await coordinator.ask_until_answered(
        request, ConsumerGroupHeartbeatResponse, lambda each: each.error_code, at_most=1
    )
    assert answer.error_code == 0, answer.error_message
