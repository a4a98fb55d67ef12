"""Controllers, etcd, and faults of both at random: what was decided stays decided, and one decides at a time.

Light worlds of few brokers and no records, so that many seconds of faults are cheap; snapshots follow upon each other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
import trio
from deterministic_trio import run_in_virtual_time
from sim_clock import FASTEST, SLOWEST
from world import World

from odradek import Admin
from odradek.errors import OdradekError
from odradek_broker.election import etcd_journal

SECONDS, SEEDS, BROKERS = 12.0, 20, 2
REST_S = 1.0
SHORTEST_S, LONGEST_S = 0.01, 8.0
WHOLE_WITHIN_S = 60.0

Fault = Callable[[World, Random], Awaitable[None]]


async def hold(random: Random) -> None:
    """Mostly short, sometimes longer than any lease."""
    await trio.sleep(SHORTEST_S * (LONGEST_S / SHORTEST_S) ** random.random())


async def kill_controller(world: World, random: Random) -> None:
    world.controller.kill(power=random.random() < 0.5, silently=random.random() < 0.3)
    await hold(random)
    await world.start()


async def kill_all_controllers(world: World, random: Random) -> None:
    for node in world.controllers:
        node.kill()
    await hold(random)
    await world.start()


async def stop_controller(world: World, random: Random) -> None:
    await world.controller.stop()
    await hold(random)
    await world.start()


async def pause_controller(world: World, random: Random) -> None:
    node = world.controller
    node.pause()
    await hold(random)
    node.resume()


async def cut_from_etcd(world: World, random: Random) -> None:
    """The active controller, from some members, in one direction or both."""
    node, members = world.controller, members_of(world)
    one_way = random.random() < 0.5
    for member in random.sample(members, random.randint(1, len(members))):
        world.network.cut(*random.sample([node.name, member], 2), one_way=one_way)
    await hold(random)
    for member in members:
        world.network.mend(node.name, member)


async def refuse_controller(world: World, random: Random) -> None:
    """Others take it for dead."""
    node = world.controller
    others = [each.name for each in world.controllers if each is not node]
    for other in random.sample(others, random.randint(1, len(others))):
        world.network.refuse(other, node.name)
    await hold(random)
    for other in others:
        world.network.mend(other, node.name)


async def kill_members(world: World, random: Random) -> None:
    assert world.etcd is not None
    for member in random.sample(world.etcd.members, random.randint(1, len(world.etcd.members))):
        member.kill()
    await hold(random)
    await world.etcd.start()


async def pause_members(world: World, random: Random) -> None:
    assert world.etcd is not None
    paused = random.sample(world.etcd.members, random.randint(1, len(world.etcd.members)))
    for member in paused:
        member.pause()
    await hold(random)
    for member in paused:
        member.resume()


async def slow_member(world: World, random: Random) -> None:
    assert world.etcd is not None
    member = random.choice(world.etcd.members)
    member.slow_s = random.uniform(0.01, 1.5)
    await hold(random)
    member.slow_s = 0.0


async def cut_members(world: World, random: Random) -> None:
    one, *others = random.sample(members_of(world), len(members_of(world)))
    for other in others:
        world.network.cut(one, other)
    await hold(random)
    for other in others:
        world.network.mend(one, other)


async def fill_etcd(world: World, random: Random) -> None:
    assert world.etcd is not None
    world.etcd.store.is_full = True
    await hold(random)
    world.etcd.store.is_full = False


async def drift(world: World, random: Random) -> None:
    for node in world.nodes:
        node.clock.rate = random.uniform(SLOWEST, FASTEST)
    await trio.lowlevel.checkpoint()


FAULTS: list[Fault] = [
    kill_controller,
    kill_all_controllers,
    stop_controller,
    pause_controller,
    cut_from_etcd,
    refuse_controller,
    kill_members,
    pause_members,
    slow_member,
    cut_members,
    fill_etcd,
    drift,
]


def members_of(world: World) -> list[str]:
    assert world.etcd is not None
    return [member.name for member in world.etcd.members]


async def decide(world: World, name: str, acknowledged: set[str]) -> None:
    """Topic after topic."""
    for number in range(100_000):
        topic = f"{name}-{number}"
        async with Admin(world.bootstrap, surroundings=world.client(), request_timeout_ms=3_000) as admin:
            try:
                await admin.create_topic(topic)
                acknowledged.add(topic)
            except OdradekError:
                pass  # it may be there all the same
        await trio.sleep(0.2)


async def inflict(world: World, random: Random) -> None:
    kinds = random.sample(FAULTS, random.randint(1, len(FAULTS)))
    while True:
        await trio.sleep(random.expovariate(1 / REST_S))
        await random.choice(kinds)(world, random)


async def heal(world: World) -> None:
    assert world.etcd is not None
    world.network.heal()
    world.etcd.heal()
    for node in world.nodes:
        node.resume()
    world.nursery.start_soon(keep_up, world)


async def keep_up(world: World) -> None:
    """Whoever was told to stop before may end only now."""
    while True:
        await world.start()
        await trio.sleep(1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_acknowledged_decision_is_lost_and_no_two_decide(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd_journal, "RECORDS_BETWEEN_SNAPSHOTS", 7)
    monkeypatch.setattr(etcd_journal, "PART_RECORDS", 3)
    acknowledged: set[str] = set()

    async def run() -> None:
        random = Random(seed)
        async with trio.open_nursery() as nursery:
            etcds, combined = random.choice((1, 3)), random.random() < 0.5
            settings: dict[str, Any] = {"default_replication_factor": "1", "min_insync_replicas": "1"}
            world = World(nursery, seed, BROKERS, etcds=etcds, controllers=BROKERS, combined=combined, **settings)
            await world.start()
            with trio.move_on_after(SECONDS):
                async with trio.open_nursery() as life:
                    life.start_soon(decide, world, "one", acknowledged)
                    life.start_soon(decide, world, "other", acknowledged)
                    for _ in range(2):
                        life.start_soon(inflict, world, Random(random.getrandbits(64)))
            await heal(world)
            async with Admin(world.bootstrap, surroundings=world.client()) as admin:
                with trio.fail_after(WHOLE_WITHIN_S):
                    await admin.create_topic("at-the-end")
                missing = acknowledged - set(await admin.list_topics())
            assert not missing, missing
            nursery.cancel_scope.cancel()
        assert world.violation is None, world.violation

    run_in_virtual_time(seed, run)
    assert acknowledged
