"""The clients of a run: writers, a reader, members of groups. Our own, on the simulated network."""

from __future__ import annotations

import math
from random import Random

import trio
from invariants import HEARD_OF_WITHIN_S
from operations import admin_of, make_what_is_missing
from scene import Claim, Outcome, Scene, Write

from odradek import Admin, Consumer, Producer, TopicPartition
from odradek.consumer.config import GroupProtocol
from odradek.consumer.membership import State
from odradek.errors import (
    DeliveryTimedOut,
    NotEnoughReplicas,
    OdradekError,
    RecordTooLarge,
    Undelivered,
)
from odradek.producer import Delivery

SURELY_NOT_WRITTEN = (NotEnoughReplicas, RecordTooLarge)
REQUEST_TIMEOUT_MS = 3_000
DELIVERY_TIMEOUT_MS = 60_000
TICK_S = 0.02
POLL_S = 0.5
AGAIN_S = 0.5
LOOK_UP_S = 0.3
EMPTY_S = 10.0
"""After it its members' sessions are over, and whatever is looked at every two seconds has been looked at."""
KEYS = 5
LONGEST_PADDING = 200
SESSION_MS, HEARTBEAT_MS = 6_000, 1_000
SHORTEST_LIFE_S, LONGEST_LIFE_S = 1.0, 20.0


class Writer:
    """A producer that writes to all partitions of all topics, at a steady pace."""

    def __init__(self, scene: Scene, name: str, random: Random) -> None:
        self._scene = scene
        self._name = name
        self._random = random
        kind = random.random()
        self._acks: int | str = 1 if kind < 0.1 else "all"
        self._is_idempotent = kind > 0.2
        self._padding = b"." * random.choice([0, 0, random.randint(1, LONGEST_PADDING)])
        self._number = 0

    async def run(self, until: trio.Event) -> None:
        """Return when it is told to, and every record has its outcome."""
        scene, began = self._scene, trio.current_time()
        async with trio.open_nursery() as nursery, self._producer() as producer:
            while not until.is_set():
                due = math.floor((trio.current_time() - began) * scene.plan.records_per_s)
                while self._number < due and not until.is_set():
                    topic = self._random.choice(scene.plan.topics).name
                    if not scene.partitions_of(topic):
                        self._number += 1
                        continue
                    partition = self._random.randrange(scene.partitions_of(topic))
                    write, delivery = await self.send(producer, topic, partition)
                    if delivery is not None:
                        nursery.start_soon(self.settle, write, delivery)
                await trio.sleep(TICK_S)
            try:
                await producer.flush()
            except Undelivered:
                pass  # each record's outcome is noted by itself

    async def write_once_to_each(self) -> None:
        """When all is healed, every partition is to show that it is of use again."""
        scene = self._scene
        topics = sorted(scene.plan.topics, key=lambda each: each.name)
        left = [
            TopicPartition(topic.name, index) for topic in topics for index in range(scene.partitions_of(topic.name))
        ]
        while left:
            async with self._producer() as producer:
                left = [place for place in left if not await self._is_written(producer, place)]
            if left:
                await make_what_is_missing(scene)
                await trio.sleep(AGAIN_S)

    async def _is_written(self, producer: Producer, place: TopicPartition) -> bool:
        """Not, where the producer has asked a broker that has not heard of the partition yet, or the topic has gone."""
        write, delivery = await self.send(producer, *place)
        if delivery is None:
            return False
        await self.settle(write, delivery)
        partitions = self._scene.partitions_of(place.topic)
        if write.outcome is not Outcome.OK and place.partition >= partitions:
            return partitions > 0  # somebody has made it again by asking for it, with as many as are usual
        if write.outcome is not Outcome.OK:
            self._scene.violated(f"liveness: nothing can be written to {place}: {write.error}")
        return True

    async def send(self, producer: Producer, topic: str, partition: int) -> tuple[Write, Delivery | None]:
        key = f"k{self._random.randrange(KEYS)}".encode() if self._scene.topic(topic).is_keyed else None
        value = f"{self._name}-{self._number}".encode() + self._padding
        self._number += 1
        durable = self._acks == "all"
        write = Write(topic, partition, key, value, durable, durable and self._is_idempotent, trio.current_time())
        decided = self._scene.world.invariants.decided.partition(topic, partition)
        write.leader_epoch = -1 if decided is None else decided.leader_epoch
        self._scene.writes.append(write)
        try:
            return write, await producer.send(topic, value, key=key, partition=partition)
        except (OdradekError, ValueError) as error:
            write.outcome, write.error, write.done_s = Outcome.FAIL, str(error), trio.current_time()
            return write, None

    async def settle(self, write: Write, delivery: Delivery) -> None:
        try:
            delivered = await delivery
        except DeliveryTimedOut as error:
            write.outcome, write.error = Outcome.INFO, str(error)
        except OdradekError as error:
            surely_not = self._is_surely_not_written(error)
            write.outcome, write.error = Outcome.FAIL if surely_not else Outcome.INFO, str(error)
        else:
            write.outcome, write.offset = Outcome.OK, delivered.offset
        write.done_s = trio.current_time()
        if write.outcome is Outcome.OK:
            self._scene.acknowledged(write)

    def _is_surely_not_written(self, error: OdradekError) -> bool:
        """What found room in a segment once may find none when it is sent again, with smaller segments meanwhile."""
        shrinks = "change-segments" in self._scene.plan.operations
        return isinstance(error, SURELY_NOT_WRITTEN) and not (shrinks and isinstance(error, RecordTooLarge))

    def _producer(self) -> Producer:
        return Producer(
            self._scene.world.bootstrap,
            acks=self._acks,  # type: ignore[arg-type]
            idempotent=self._is_idempotent and self._acks == "all",
            linger_ms=2,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
            surroundings=self._scene.world.client(),
        )


async def read(scene: Scene, name: str) -> None:
    """Read all topics from the beginning on, until cancelled. A reader that breaks is followed by a fresh one."""
    while True:
        try:
            await _read_for_a_life(scene, name)
        except (OdradekError, ValueError):
            await trio.sleep(AGAIN_S)


async def _read_for_a_life(scene: Scene, name: str) -> None:
    partitions = everything(scene)
    since_s = trio.current_time()
    async with _consumer(scene) as consumer:
        await consumer.assign(partitions)
        follower = Order(scene, name, since_s)
        while partitions == everything(scene):
            for record in await consumer.poll(timeout_s=POLL_S):
                follower.take(record.topic_partition, record.offset, record.value)


async def drain(scene: Scene) -> None:
    """When all is healed: read everything there is. A topic may still go, whose deletion was late on its way."""
    while partitions := everything(scene):
        try:
            since_s = trio.current_time()
            async with _consumer(scene) as consumer:
                await consumer.assign(partitions)
                ends = await consumer.end_offsets(*partitions)
                follower = Order(scene, "the last reader", since_s)
                while any((consumer.position(each) or 0) < end for each, end in ends.items()):
                    for record in await consumer.poll(timeout_s=POLL_S):
                        follower.take(record.topic_partition, record.offset, record.value)
                    if partitions != everything(scene):
                        break
                else:
                    return
        except OdradekError:
            await trio.sleep(AGAIN_S)


class Order:
    """One life of one reader: it goes on, and leaves nothing out that is there."""

    def __init__(self, scene: Scene, name: str, since_s: float) -> None:
        self._scene = scene
        self._name = name
        self._since_s = since_s
        self._next: dict[TopicPartition, int] = {}
        self._topic_of: dict[TopicPartition, bytes | None] = {}
        """A leader that has not heard of a topic's end may hand out the old one's records before another's new ones."""

    def take(self, partition: TopicPartition, offset: int, value: bytes | None) -> None:
        scene = self._scene
        scene.handed(self._name, partition.topic, partition.partition, offset, value, self._since_s)
        topic_id = scene.world.invariants.topic_of(partition.topic, partition.partition, offset, value)
        expected = self._next.get(partition) if topic_id == self._topic_of.get(partition) else None
        self._next[partition], self._topic_of[partition] = offset + 1, topic_id
        if expected is None or expected == offset or scene.has_lost(partition) or self._is_made_anew(partition):
            return
        key = scene.key_of(partition)
        assert key is not None
        invariants = scene.world.invariants
        committed = invariants.committed.get(key)
        if offset < expected:
            scene.violated(f"S6: {self._name} went back to {offset} of {partition} after {expected - 1}")
        elif committed is not None and not committed.is_compacted and invariants.may_begin_at.get(key, 0) < offset:
            scene.violated(f"S6: {self._name} went on to {offset} of {partition} after {expected - 1}")

    def _is_made_anew(self, partition: TopicPartition) -> bool:
        """Records of the topic that was, and of the one that is, may come one after the other, also to who begins when
        not every broker has heard of it."""
        born_s = self._scene.world.invariants.incarnations[partition.topic][-1].born_s
        return born_s >= self._since_s - HEARD_OF_WITHIN_S


async def be_a_member(scene: Scene, group: str, name: str, random: Random) -> None:
    """Of a group, life after life, until cancelled: read, say how far it has read, leave.

    By this protocol or that, so groups migrate while members are there.
    """
    topics = [topic.name for topic in scene.plan.topics if topic.is_grouped]
    while True:
        life_s = random.uniform(SHORTEST_LIFE_S, LONGEST_LIFE_S)
        protocol: GroupProtocol = random.choice(["classic", "consumer"])
        try:
            async with Consumer(
                scene.world.bootstrap,
                topics,
                group=group,
                protocol=protocol,
                commit="manual",
                session_timeout_ms=SESSION_MS,
                heartbeat_interval_ms=HEARTBEAT_MS,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                surroundings=scene.world.client(),
            ) as consumer:
                since_s = trio.current_time()
                with trio.move_on_after(math.inf if scene.is_over.is_set() else life_s):
                    while True:
                        await _read_and_commit(scene, group, name, consumer, since_s)
                scene.claims[group].pop(name, None)
        except (OdradekError, RuntimeError):
            scene.claims[group].pop(name, None)
            await trio.sleep(AGAIN_S)


async def _read_and_commit(
    scene: Scene, group: str, name: str, consumer: Consumer[bytes | None, bytes | None], since_s: float
) -> None:
    before, floors = _claim(consumer), dict(scene.commits)
    for record in await consumer.poll(timeout_s=POLL_S):
        scene.handed(name, record.topic, record.partition, record.offset, record.value, since_s)
        scene.handed_out[group, record.topic_partition].add(record.offset)
    claim = _claim(consumer)
    if claim is not None:
        scene.claimed(group, name, claim)
    else:
        scene.claims[group].pop(name, None)
    if claim is not None and (before is None or before.generation != claim.generation):
        given = {place: offset for place in claim.partitions if (offset := consumer.position(place)) is not None}
        scene.looked_up(group, given, {place: floors.get((group, place), 0) for place in given})
    positions = {place: consumer.position(place) for place in consumer.assignment}
    known = scene.floors(group, list(positions))
    upto = {place: offset for place, offset in positions.items() if offset is not None and offset > known[place]}
    if upto:  # also where nothing has come: who was there before may have committed it, and not have heard so
        began_s, is_answered = trio.current_time(), False
        try:
            await consumer.commit(upto)
            is_answered = True
        finally:
            took_s = trio.current_time() - began_s
            if not is_answered or took_s >= REQUEST_TIMEOUT_MS / 1000 or "give-up" in scene.plan.faults:
                for place, offset in upto.items():
                    scene.late_commits[group, place].add(offset)
        scene.committed(group, upto, known)


async def look_up_commits(scene: Scene, group: str) -> None:
    """Ask again and again what a group has committed, until cancelled."""
    while True:
        try:
            async with admin_of(scene) as admin:
                while True:
                    await _look_up(scene, admin, group)
                    await trio.sleep(LOOK_UP_S)
        except OdradekError:
            await trio.sleep(AGAIN_S)


async def look_up_when_empty(scene: Scene, group: str) -> None:
    """When all its members have gone, and it has been looked since whose offsets nobody needs any longer."""
    await trio.sleep(EMPTY_S)
    while True:
        try:
            async with admin_of(scene) as admin:
                return await _look_up(scene, admin, group)
        except OdradekError:
            await trio.sleep(AGAIN_S)


async def _look_up(scene: Scene, admin: Admin, group: str) -> None:
    floors = {place: offset for (name, place), offset in scene.commits.items() if name == group}
    found = await admin.group_offsets(group)
    scene.looked_up(group, {place: each.offset for place, each in found.items()}, floors)


def _claim(consumer: Consumer[bytes | None, bytes | None]) -> Claim | None:
    """None while a rebalance goes on."""
    group = consumer.health().group
    if group is None or group.state != State.STABLE.value:
        return None
    return Claim(group.member_id, group.generation, frozenset(consumer.assignment))


def everything(scene: Scene) -> list[TopicPartition]:
    return [
        TopicPartition(topic.name, index)
        for topic in scene.plan.topics
        for index in range(scene.partitions_of(topic.name))
    ]


def _consumer(scene: Scene) -> Consumer[bytes | None, bytes | None]:
    return Consumer(
        scene.world.bootstrap,
        start="earliest",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        surroundings=scene.world.client(),
    )
