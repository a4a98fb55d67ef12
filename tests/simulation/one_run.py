"""One seed: a cluster, clients and faults in virtual time; then everything is healed, read, and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

import trio
from deterministic_trio import run_in_virtual_time
from world import SimNode, World

from odradek import Admin
from odradek.testing.chaos.checkers import Anomaly, Promise, check
from odradek.testing.chaos.history import History, Outcome
from odradek.testing.chaos.workload import Workload

TOPIC, PARTITIONS, WRITERS, RECORDS_PER_S = "t", 1, 2, 40.0
REST_S, HOLD_S = (0.0, 3.0), (0.05, 8.0)
DRAIN_S = 200.0


@dataclass
class Result:
    anomalies: list[Anomaly]
    drained: bool
    acknowledged: int
    faults: Counter[str] = field(default_factory=Counter)
    virtual_s: float = 0.0
    trace: str = ""

    @property
    def is_clean(self) -> bool:
        return self.drained and not any(anomaly.bad for anomaly in self.anomalies)


def run_seed(seed: int, seconds: float = 30.0, kinds: list[str] | None = None, **settings: str) -> Result:
    """`seconds` of faults, in virtual time."""
    return run_in_virtual_time(seed, _run, seed, seconds, kinds or list(FAULTS), settings)


async def _run(seed: int, seconds: float, kinds: list[str], settings: dict[str, str]) -> Result:
    history, faults = History(), Counter[str]()
    async with trio.open_nursery() as nursery:
        world = World(nursery, seed, **settings)
        await world.start()
        workload = Workload(
            world.bootstrap,
            TOPIC,
            PARTITIONS,
            history,
            trio.current_time,
            acks="all",
            idempotent=True,
            surroundings=world.client,
        )
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.create_topic(TOPIC, PARTITIONS)
        over = trio.Event()
        async with trio.open_nursery() as readers:
            readers.start_soon(workload.read, "reader")
            async with trio.open_nursery() as writers:
                for number in range(WRITERS):
                    writers.start_soon(workload.write, f"w{number}", RECORDS_PER_S, over)
                with trio.move_on_after(seconds):
                    await _inflict(world, Random(seed), kinds, faults)
                await heal(world)
                over.set()
            readers.cancel_scope.cancel()
        drained = await workload.drain(DRAIN_S)
        for write in history.writes:
            world.note(f"{write.value} {write.outcome.value} {write.offset} {write.done_s:.9f}")
        result = Result(
            anomalies=check(history, Promise()),
            drained=drained,
            acknowledged=sum(write.outcome is Outcome.OK for write in history.writes),
            faults=faults,
            virtual_s=trio.current_time(),
            trace=world.trace,
        )
        nursery.cancel_scope.cancel()
    return result


async def heal(world: World) -> None:
    world.network.heal()
    for node in world.nodes:
        node.disk.is_full = node.disk.syncs_fail = False
    await world.start()


async def _inflict(world: World, random: Random, kinds: list[str], faults: Counter[str]) -> None:
    while True:
        await trio.sleep(random.uniform(*REST_S))
        kind = random.choice(kinds)
        faults[kind] += 1
        world.note(kind)
        await FAULTS[kind](world, random)


def _leader(world: World, random: Random) -> SimNode:
    found = world.leader(TOPIC)
    return found if found is not None and found.is_up else random.choice(world.brokers)


async def _down_for_a_while(world: World, random: Random, nodes: list[SimNode], *, power: bool) -> None:
    for node in nodes:
        if node.is_up:
            node.kill(power=power)
    await trio.sleep(random.uniform(*HOLD_S))
    await world.start()


async def kill_leader(world: World, random: Random) -> None:
    await _down_for_a_while(world, random, [_leader(world, random)], power=False)


async def kill_any(world: World, random: Random) -> None:
    await _down_for_a_while(world, random, [random.choice(world.nodes)], power=False)


async def power_any(world: World, random: Random) -> None:
    await _down_for_a_while(world, random, [random.choice(world.nodes)], power=True)


async def power_leader(world: World, random: Random) -> None:
    await _down_for_a_while(world, random, [_leader(world, random)], power=True)


async def power_all(world: World, random: Random) -> None:
    """The machines usually share one socket."""
    await _down_for_a_while(world, random, world.nodes, power=True)


async def bounce(world: World, random: Random) -> None:
    for _ in range(5):
        _leader(world, random).kill(power=random.random() < 0.5)
        await world.start()


async def cut_leader(world: World, random: Random) -> None:
    """From its followers, from the controller, or from both; clients reach it all the time."""
    leader = _leader(world, random)
    others = random.choice([[world.controller], world.brokers, world.nodes])
    for other in others:
        if other is not leader:
            world.network.cut(leader.name, other.name)
    await trio.sleep(random.uniform(*HOLD_S))
    world.network.heal()


async def cut_clients(world: World, random: Random) -> None:
    for broker in random.sample(world.brokers, random.randint(1, 3)):
        world.network.cut("client", broker.name)
    await trio.sleep(random.uniform(*HOLD_S))
    world.network.heal()


async def full_disk(world: World, random: Random) -> None:
    node = random.choice(world.brokers)
    node.disk.is_full = True
    await trio.sleep(random.uniform(*HOLD_S))
    node.disk.is_full = False


async def failing_syncs(world: World, random: Random) -> None:
    """The disk of one machine says EIO; its broker ends, and comes back to a disk that works again."""
    node = random.choice(world.brokers)
    node.disk.syncs_fail = True
    await trio.sleep(random.uniform(*HOLD_S))
    node.disk.syncs_fail = False
    if node.is_up:
        node.kill(power=True)
    await world.start()


FAULTS: dict[str, Callable[[World, Random], Awaitable[None]]] = {
    "kill-leader": kill_leader,
    "kill-any": kill_any,
    "power-any": power_any,
    "power-leader": power_leader,
    "power-all": power_all,
    "bounce": bounce,
    "cut-leader": cut_leader,
    "cut-clients": cut_clients,
    "full-disk": full_disk,
    "failing-syncs": failing_syncs,
}
