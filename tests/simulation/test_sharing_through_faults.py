"""Share groups of whole brokers in virtual time, while brokers are killed, lose their power, and stand still.

Members of our own client deal with records, give some back, and die. What they were told is held against what they are
given later: a record whose acceptance was stored comes to nobody again, and in the end all records are accepted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
import trio
from deterministic_trio import run_in_virtual_time
from test_transactions_through_faults import trouble
from world import World

from odradek import Admin, Consumer, Producer, ResourceType, ShareConsumer
from odradek.errors import OdradekError

PARTITIONS = 2
RECORDS = 60
LIMIT = 5
HOP_S = 0.1
PATIENCE_S = 600.0
SETTINGS: dict[str, Any] = {
    "share_coordinator_state_topic_num_partitions": "2",
    "share_coordinator_snapshot_update_records_per_snapshot": "5",
    "share_coordinator_state_topic_prune_interval_ms": "3000",
    "offsets_topic_num_partitions": "2",
    "group_share_record_lock_duration_ms": "5000",
    "group_share_session_timeout_ms": "10000",
    "group_share_heartbeat_interval_ms": "1000",
}


def play(seed: int, scenario: Callable[[World, Random], Awaitable[None]]) -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            world = World(nursery, seed, longest_hop_s=HOP_S, **SETTINGS)
            await world.start()
            with trio.fail_after(2 * PATIENCE_S):
                await scenario(world, Random(f"sharing {seed}"))
            assert world.violation is None, world.violation
            nursery.cancel_scope.cancel()
        assert world.violation is None, world.violation

    run_in_virtual_time(seed, run)


async def prepare(world: World) -> None:
    """A topic with records, which group g shares from its beginning."""
    async with Admin(world.bootstrap, surroundings=world.client()) as admin:
        await admin.create_topic("jobs", PARTITIONS, 3)
        await admin.alter_configs("g", ResourceType.GROUP, set={"share.auto.offset.reset": "earliest"})
    async with Producer(world.bootstrap, surroundings=world.client()) as producer:
        for number in range(RECORDS):
            await producer.send("jobs", b"%d" % number, partition=number % PARTITIONS)


class Work:
    """What members were given, and what they were told."""

    def __init__(self, world: World, random: Random) -> None:
        self.world = world
        self.random = random
        self.accepted: set[bytes] = set()
        """Surely: it was stored."""
        self.deliveries: Counter[bytes] = Counter()
        self.is_done = trio.Event()

    async def be_members(self) -> None:
        """One after another, each for a while, until all is done."""
        while not self.is_done.is_set():
            with trio.move_on_after(self.random.uniform(5, 30)):
                try:
                    await self._be_a_member()
                except OdradekError as error:
                    self.world.note(f"a member: {error}")
                    await trio.sleep(1)

    async def _be_a_member(self) -> None:
        async with ShareConsumer(
            self.world.bootstrap,
            "jobs",
            group="g",
            acknowledge="explicit",
            max_poll_records=7,
            request_timeout_ms=2_000,
            surroundings=self.world.client(),
        ) as consumer:
            while True:
                shared = await consumer.poll(timeout_s=5)
                said = [each.record.value or b"" for each in shared]
                again = self.accepted.intersection(said)
                assert not again, f"delivered though its acceptance was stored: {again}"
                self.deliveries.update(said)
                assert all(each.delivery_count <= LIMIT for each in shared)
                await trio.sleep(self.random.uniform(0, 2))
                for each in shared:
                    if each.delivery_count < LIMIT and self.random.random() < 0.2:
                        each.release()
                    else:
                        each.accept()
                try:
                    await consumer.commit()
                except OdradekError as error:
                    self.world.note(f"did not count: {error}")
                    continue
                self.accepted.update(each.record.value or b"" for each in shared if (each.verdict or 0) == 1)

    async def until_all_is_accepted(self) -> None:
        """What was accepted in fact but not surely is never seen again: so it is looked whether anything comes."""
        async with ShareConsumer(self.world.bootstrap, "jobs", group="g", surroundings=self.world.client()) as consumer:
            quiet_s = 0
            while quiet_s < 40:
                shared = await consumer.poll(timeout_s=5)
                quiet_s = 0 if shared else quiet_s + 5
                said = {each.record.value or b"" for each in shared}
                assert not said & self.accepted
                self.deliveries.update(said)
                if shared:
                    for each in shared:
                        each.accept()
                    await consumer.commit()
                    self.accepted |= said


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_what_was_accepted_comes_to_nobody_again_and_everything_comes_to_somebody(seed: int) -> None:
    async def scenario(world: World, random: Random) -> None:
        await prepare(world)
        work = Work(world, random)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(work.be_members)
            with trio.move_on_after(40):
                await trouble(world, random)
            for node in world.brokers:
                node.resume()
            world.network.heal()
            await world.start()
            with trio.move_on_after(60):
                await trio.sleep_forever()
            nursery.cancel_scope.cancel()
        await trio.sleep(15)
        await work.until_all_is_accepted()
        assert set(work.deliveries) == {b"%d" % number for number in range(RECORDS)}

    play(seed, scenario)


def test_dead_letters_find_their_topic_wherever_its_leaders_are() -> None:
    async def scenario(world: World, random: Random) -> None:
        values = {b"%d" % number for number in range(6)}
        settings = {
            "share.auto.offset.reset": "earliest",
            "errors.deadletterqueue.topic.name": "dlq.jobs",
            "errors.deadletterqueue.copy.record.enable": "true",
        }
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.create_topic("jobs", 3, 3)
            await admin.create_topic("dlq.jobs", 2, 3, configs={"errors.deadletterqueue.group.enable": "true"})
            await admin.alter_configs("g", ResourceType.GROUP, set=settings)
        async with Producer(world.bootstrap, surroundings=world.client()) as producer:
            for number, value in enumerate(sorted(values)):
                await producer.send("jobs", value, partition=number % 3)
        assert any(world.leader("jobs", index) is not world.leader("dlq.jobs", index % 2) for index in range(3))
        async with ShareConsumer(world.bootstrap, "jobs", group="g", surroundings=world.client()) as consumer:
            left = set(values)
            while left:
                for shared in await consumer.poll():
                    shared.reject()
                    left.discard(shared.record.value or b"")
            await consumer.commit()
        async with Consumer(world.bootstrap, "dlq.jobs", surroundings=world.client()) as dead:
            assert {(await anext(dead)).value for _ in values} == values

    play(1, scenario)
