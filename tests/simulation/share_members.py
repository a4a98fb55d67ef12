"""A share group of a run: its members deal with records, give some back, reject a few, and die.

What they say and is stored is said for good: such a record is given to nobody again, whoever leads by then. The
rest comes until somebody deals with it, no more often than the limit, and in the end every record that is there has
come to somebody. What is given up is written to a topic of dead letters first, as it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import trio
from clients import AGAIN_S, LONGEST_LIFE_S, POLL_S, REQUEST_TIMEOUT_MS, SHORTEST_LIFE_S
from operations import admin_of, create
from scene import Scene
from worlds import TopicPlan

from odradek import Consumer, Record, ResourceType, ShareConsumer, Shared, TopicPartition
from odradek.errors import OdradekError

GROUP = "s0"
DEAD_LETTERS = TopicPlan("dlq.s0", 1, 3, {"errors.deadletterqueue.group.enable": "true"})
GROUP_SETTINGS = {
    "share.auto.offset.reset": "earliest",
    "errors.deadletterqueue.topic.name": DEAD_LETTERS.name,
    "errors.deadletterqueue.copy.record.enable": "true",
}
LIMIT = 3
LOCK_MS = 2_000
SETTINGS = {
    "group.share.delivery.count.limit": str(LIMIT),
    "group.share.record.lock.duration.ms": str(LOCK_MS),
    "group.share.session.timeout.ms": "8000",
    "group.share.heartbeat.interval.ms": "500",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.snapshot.update.records.per.snapshot": "5",
    "share.coordinator.state.topic.prune.interval.ms": "3000",
}
RELEASES, REJECTS, DIES_AT_ONCE = 0.2, 0.05, 0.4
MOST_AT_ONCE = 7
LONGEST_WORK_S, TOO_LONG_S, TAKES_TOO_LONG = 0.5, 1.5 * LOCK_MS / 1000, 0.2
LATE_S = (LOCK_MS + REQUEST_TIMEOUT_MS) / 1000
"""What a former leader has given a member, that one may hand out as long after the answer as its lock would last."""
QUIET_S = 2.5 * LOCK_MS / 1000
"""When nothing has come for so long, nothing is left: no lock is so long."""


class Place(NamedTuple):
    """Of one record: writers that are not idempotent may write a value twice."""

    partition: TopicPartition
    offset: int


class Sharing:
    """What the group's members were given, and what they said that is known to be stored."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.given: set[Place] = set()
        self.settled: dict[Place, float] = {}
        """Accepted or rejected, and when we were told that it counts."""

    @property
    def topics(self) -> list[str]:
        return [topic.name for topic in self.scene.plan.topics if topic.is_grouped]

    async def begin(self) -> None:
        async with admin_of(self.scene) as admin:
            await create(self.scene, admin, DEAD_LETTERS, Random(f"dead letters of {self.scene.world.seed}"))
            await admin.alter_configs(GROUP, ResourceType.GROUP, set=GROUP_SETTINGS)

    async def be_a_member(self, name: str, random: Random) -> None:
        """Life after life, until cancelled. One that dies at once says nothing of what it has in hand."""
        while True:
            life_s = random.uniform(SHORTEST_LIFE_S, LONGEST_LIFE_S)
            try:
                since_s = trio.current_time()
                async with self._consumer(1 if random.random() < DIES_AT_ONCE else 5_000) as consumer:
                    with trio.move_on_after(math.inf if self.scene.is_over.is_set() else life_s):
                        while True:
                            await self._work(consumer, name, random, since_s)
            except OdradekError as error:
                self.scene.world.note(f"{name}: {error}")
                await trio.sleep(AGAIN_S)

    async def _work(
        self, consumer: ShareConsumer[bytes | None, bytes | None], name: str, random: Random, since_s: float
    ) -> None:
        shared = await consumer.poll(timeout_s=POLL_S)
        self._take(shared, name, since_s)
        if shared:
            takes_too_long = random.random() < TAKES_TOO_LONG
            await trio.sleep(TOO_LONG_S if takes_too_long else random.uniform(0, LONGEST_WORK_S))
        ended = []
        for each in shared:
            if each.delivery_count < LIMIT and random.random() < RELEASES:
                each.release()
                continue
            ended.append(_place(each))
            each.reject() if random.random() < REJECTS else each.accept()
        await self._commit(consumer, ended)

    def _take(self, shared: list[Shared[bytes | None, bytes | None]], name: str, since_s: float) -> None:
        scene = self.scene
        for each in shared:
            record, place = each.record, _place(each)
            scene.handed(name, record.topic, record.partition, record.offset, record.value, since_s)
            if self.settled.get(place, math.inf) + LATE_S < trio.current_time() and not scene.has_lost(place.partition):
                scene.violated(f"S14: {name} was given {place}, which was done with, and so stored")
            if each.delivery_count > LIMIT:
                scene.violated(f"S14: {name} was given {place} the {each.delivery_count}th time")
            self.given.add(place)

    async def _commit(self, consumer: ShareConsumer[bytes | None, bytes | None], ended: list[Place]) -> None:
        try:
            await consumer.commit()
        except OdradekError as error:
            self.scene.world.note(f"did not count: {error}")
        else:
            self.settled.update(dict.fromkeys(ended, trio.current_time()))

    def _consumer(self, close_timeout_ms: int) -> ShareConsumer[bytes | None, bytes | None]:
        return ShareConsumer(
            self.scene.world.bootstrap,
            self.topics,
            group=GROUP,
            acknowledge="explicit",
            max_poll_records=MOST_AT_ONCE,
            close_timeout_ms=close_timeout_ms,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            surroundings=self.scene.world.client(),
        )

    # -------------------------------------------------------------------------------------------------- in the end

    async def deal_with_the_rest(self) -> None:
        """When all is healed. Then every broker dies, and those that follow have to know of what was done with."""
        await self._until_quiet(all_given=True)
        for node in self.scene.world.brokers:
            if not node.is_spare:
                node.kill()
        await self.scene.world.start()
        await self._until_quiet(all_given=False)

    async def _until_quiet(self, *, all_given: bool) -> None:
        quiet_s = 0.0
        while quiet_s < QUIET_S or (all_given and self._left()):
            try:
                since_s = trio.current_time()
                async with self._consumer(5_000) as consumer:
                    while quiet_s < QUIET_S or (all_given and self._left()):
                        shared = await consumer.poll(timeout_s=POLL_S)
                        self._take(shared, "the last sharer", since_s)
                        for each in shared:
                            each.accept()
                        await self._commit(consumer, [_place(each) for each in shared])
                        quiet_s = 0.0 if shared else quiet_s + POLL_S
            except OdradekError as error:
                self.scene.world.note(f"the last sharer: {error}")
                await trio.sleep(AGAIN_S)

    async def read_dead_letters(self) -> None:
        """When nobody gives up anything any more."""
        since_s = trio.current_time()
        async with Consumer(
            self.scene.world.bootstrap,
            DEAD_LETTERS.name,
            start="earliest",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            surroundings=self.scene.world.client(),
        ) as consumer:
            while letters := await consumer.poll(timeout_s=QUIET_S):
                for letter in letters:
                    self._look_at_letter(letter, since_s)

    def _look_at_letter(self, letter: Record[bytes | None, bytes | None], since_s: float) -> None:
        said = {name.removeprefix("__dlq.errors."): (text or b"").decode() for name, text in letter.headers}
        place = Place(TopicPartition(said["topic"], int(said["partition"])), int(said["offset"]))
        self.scene.happened["dead letter"] += 1
        if not 1 <= int(said["delivery.count"]) <= LIMIT:
            self.scene.violated(f"S14: {place} was given up after {said['delivery.count']} deliveries")
        key = self.scene.key_of(place.partition)
        committed = None if key is None else self.scene.world.invariants.committed.get(key)
        may_be_gone = committed is None or committed.is_compacted
        if letter.value is not None and not may_be_gone:  # no value: it was deleted before it was given up
            self.scene.handed("who reads dead letters", *place.partition, place.offset, letter.value, since_s)

    def _left(self) -> bool:
        return next(self._not_given(), None) is not None

    def _not_given(self) -> Iterator[Place]:
        """Records that are there and came to nobody. What compaction takes away need not have come."""
        invariants = self.scene.world.invariants
        for name in self.topics:
            for index in range(self.scene.partitions_of(name)):
                partition = TopicPartition(name, index)
                key = self.scene.key_of(partition)
                committed = None if key is None else invariants.committed.get(key)
                if key is None or committed is None or committed.is_compacted or self.scene.has_lost(partition):
                    continue
                begins = invariants.may_begin_at.get(key, 0)
                for batch in list(committed.batches):
                    for content in () if batch.is_control else invariants.contents.of(key, batch):
                        if content.offset >= begins and Place(partition, content.offset) not in self.given:
                            yield Place(partition, content.offset)


def _place(shared: Shared[bytes | None, bytes | None]) -> Place:
    return Place(shared.record.topic_partition, shared.record.offset)
