"""One seed: a cluster, clients and faults in virtual time; then everything is healed, read, and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

import trio
from deterministic_trio import run_in_virtual_time
from invariants import Violated
from world import LAG_S, SESSION_S, SimNode, World

from odradek import Admin, Consumer
from odradek.producer import Delivery
from odradek.testing.chaos.checkers import Anomaly, Promise, check
from odradek.testing.chaos.history import History, Outcome, Write
from odradek.testing.chaos.workload import Workload

TOPIC, PARTITIONS, WRITERS, RECORDS_PER_S = "t", 1, 2, 40.0
REST_S = 0.5
SHORTEST_S, LONGEST_S = 0.01, 6.0
MOST_NEMESES = 2
DRAIN_S = 200.0
WHOLE_WITHIN_S = 60.0
"""When nothing is wrong any more, until all is as at the beginning."""


@dataclass
class Result:
    anomalies: list[Anomaly] = field(default_factory=list)
    drained: bool = False
    violation: str | None = None
    acknowledged: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    virtual_s: float = 0.0
    events: int = 0
    trace: str = ""

    @property
    def is_clean(self) -> bool:
        return self.violation is None and self.drained and not any(anomaly.bad for anomaly in self.anomalies)


def run_seed(seed: int, seconds: float = 30.0, kinds: list[str] | None = None, **settings: str) -> Result:
    """`seconds` of faults, in virtual time. Without `kinds` each seed draws its own mix."""
    return run_in_virtual_time(seed, _run, seed, seconds, kinds, settings)


async def _run(seed: int, seconds: float, kinds: list[str] | None, settings: dict[str, str]) -> Result:
    result = Result()
    world: World | None = None
    try:
        async with trio.open_nursery() as nursery:
            world = World(nursery, seed, **settings)
            await _live(world, Random(seed), seconds, kinds, result)
            nursery.cancel_scope.cancel()
    except* Exception:
        if world is None or world.violation is None:
            raise
    assert world is not None
    result.violation, result.virtual_s, result.trace = world.violation, trio.current_time(), world.trace
    result.events = world.events
    return result


async def _live(world: World, random: Random, seconds: float, kinds: list[str] | None, result: Result) -> None:
    await world.start()
    history = History()
    workload = _WatchedWorkload(
        world.bootstrap,
        [(TOPIC, index) for index in range(PARTITIONS)],
        history,
        trio.current_time,
        acks="all",
        idempotent=True,
        surroundings=world.client,
    )
    workload.world = world
    async with Admin(world.bootstrap, surroundings=world.client()) as admin:
        await admin.create_topic(TOPIC, PARTITIONS)
    over = trio.Event()
    async with trio.open_nursery() as readers:
        readers.start_soon(workload.read, "reader")
        async with trio.open_nursery() as writers:
            for number in range(WRITERS):
                writers.start_soon(workload.write, f"w{number}", RECORDS_PER_S, over)
            with trio.move_on_after(seconds):
                await _inflict(world, random, kinds, result.faults)
            await heal(world)
            over.set()
        await workload.write_once_more()
        readers.cancel_scope.cancel()
    result.drained = await workload.drain(DRAIN_S)
    with trio.move_on_after(WHOLE_WITHIN_S):
        while not world.is_all_in_sync:
            await world.start()  # one whose disk had failed may have ended only now
            await trio.sleep(1)
    if not world.is_all_in_sync:
        world.violated(Violated("liveness: not all replicas are in sync again"))
        await trio.lowlevel.checkpoint()
    for write in history.writes:
        world.note(f"{write.value} {write.outcome.value} {write.offset} {write.done_s:.9f}")
    result.anomalies = check(history, Promise())
    result.acknowledged = sum(write.outcome is Outcome.OK for write in history.writes)


class _WatchedWorkload(Workload):
    """What clients are told is held against the invariants at once."""

    world: World

    async def _settle(self, write: Write, delivery: Delivery) -> None:
        await super()._settle(write, delivery)
        if write.outcome is Outcome.OK:
            self._check(write.partition, write.offset)

    async def _poll(self, consumer: Consumer[bytes | None, bytes | None], name: str, *, final: bool) -> None:
        before = len(self._history.reads)
        await super()._poll(consumer, name, final=final)
        for read in self._history.reads[before:]:
            self._check(read.partition, read.offsets[-1])

    def _check(self, partition: int, offset: int) -> None:
        try:
            self.world.invariants.look_at_told(TOPIC, partition, offset)
        except Violated as violation:
            self.world.violated(violation)


async def heal(world: World) -> None:
    world.network.heal()
    for node in world.nodes:
        node.disk.heal()
        node.resume()
    await world.start()


async def _inflict(world: World, random: Random, kinds: list[str] | None, faults: Counter[str]) -> None:
    """One fault after the other, or two such rows at once."""
    kinds = kinds or random.sample(list(FAULTS), random.randint(1, len(FAULTS)))
    async with trio.open_nursery() as nursery:
        for _ in range(random.randint(1, MOST_NEMESES)):
            nursery.start_soon(_nemesis, world, Random(random.getrandbits(64)), kinds, faults)


async def _nemesis(world: World, random: Random, kinds: list[str], faults: Counter[str]) -> None:
    while True:
        await trio.sleep(random.expovariate(1 / REST_S))
        kind = random.choice(kinds)
        faults[kind] += 1
        world.note(kind)
        await FAULTS[kind](world, random)


async def hold(random: Random) -> None:
    """Mostly short, sometimes longer than any session."""
    await trio.sleep(SHORTEST_S * (LONGEST_S / SHORTEST_S) ** random.random())


def _leader(world: World, random: Random) -> SimNode:
    found = world.leader(TOPIC)
    return found if found is not None and found.is_up else random.choice(world.brokers)


async def _down_for_a_while(world: World, random: Random, nodes: list[SimNode], *, power: bool) -> None:
    silently = power and random.random() < 0.5
    for node in nodes:
        node.kill(power=power, silently=silently)
    await hold(random)
    await world.start()


async def kill_leader(world: World, random: Random) -> None:
    await _down_for_a_while(world, random, [_leader(world, random)], power=False)


async def kill_any(world: World, random: Random) -> None:
    await _down_for_a_while(world, random, [random.choice(world.nodes)], power=False)


async def power_any(world: World, random: Random) -> None:
    await _down_for_a_while(world, random, [random.choice(world.nodes)], power=True)


async def power_leader(world: World, random: Random) -> None:
    await _down_for_a_while(world, random, [_leader(world, random)], power=True)


async def power_some(world: World, random: Random) -> None:
    await _down_for_a_while(world, random, random.sample(world.brokers, 2), power=True)


async def power_all(world: World, random: Random) -> None:
    """The machines usually share one socket."""
    await _down_for_a_while(world, random, world.nodes, power=True)


async def one_after_the_other(world: World, random: Random) -> None:
    """Each follower falls back while the others go on; then the last goes, and those come back without it."""
    leader = _leader(world, random)
    followers = [broker for broker in world.brokers if broker is not leader]
    random.shuffle(followers)
    for node in (*followers, leader):
        node.kill(power=True)
        await hold(random)
    for node in followers:
        world.nursery.start_soon(node.start)
        await hold(random)
    await world.start()


async def bounce(world: World, random: Random) -> None:
    for _ in range(5):
        _leader(world, random).kill(power=random.random() < 0.5)
        await world.start()


async def restart(world: World, random: Random) -> None:
    node = random.choice(world.nodes)
    await node.stop()
    await hold(random)
    await world.start()


async def _cut_for_a_while(world: World, random: Random, pairs: list[tuple[str, str]]) -> None:
    for pair in pairs:
        world.network.cut(*pair)
    await hold(random)
    for pair in pairs:
        world.network.mend(*pair)


async def cut_leader(world: World, random: Random) -> None:
    """From its followers, from the controller, or from both; clients reach it all the time."""
    leader = _leader(world, random)
    others = random.choice([[world.controller], world.brokers, world.nodes])
    await _cut_for_a_while(world, random, [(leader.name, other.name) for other in others if other is not leader])


async def cut_any(world: World, random: Random) -> None:
    one, other = random.sample(world.nodes, 2)
    await _cut_for_a_while(world, random, [(one.name, other.name)])


async def cut_clients(world: World, random: Random) -> None:
    cut_off = random.sample(world.brokers, random.randint(1, 3))
    await _cut_for_a_while(world, random, [("client", broker.name) for broker in cut_off])


async def slow_any(world: World, random: Random) -> None:
    one, other = random.sample([*(node.name for node in world.nodes), "client"], 2)
    world.network.slow(one, other, random.uniform(0.01, 1.0))
    await hold(random)
    world.network.mend(one, other)


async def leave_behind(world: World, random: Random) -> None:
    """A follower hears nothing from its leader, whose wish to go on without it is long on its way."""
    leader = _leader(world, random)
    follower = random.choice([broker for broker in world.brokers if broker is not leader])
    world.network.slow(leader.name, world.controller.name, random.uniform(0.1, 2.0))
    world.network.cut(leader.name, follower.name)
    await trio.sleep(LAG_S + random.uniform(0, 2.0))
    world.network.mend(leader.name, follower.name)
    world.network.mend(leader.name, world.controller.name)


async def overtake(world: World, random: Random) -> None:
    """While the leader's wish to go on without one follower is on its way, the other is fenced and let in again.

    What the leader asked for was then asked of a partition that is not the same any more, and names a replica that the
    records written meanwhile have not reached.
    """
    leader = _leader(world, random)
    followers = [broker for broker in world.brokers if broker is not leader]
    random.shuffle(followers)
    behind, fenced = followers
    world.network.slow(leader.name, world.controller.name, random.uniform(0.5, 1.2))
    world.network.cut(leader.name, behind.name)
    world.network.cut(fenced.name, world.controller.name)
    await trio.sleep(SESSION_S + random.uniform(-0.3, 0.3))
    world.network.cut(leader.name, fenced.name)
    world.network.mend(leader.name, behind.name)
    world.network.mend(fenced.name, world.controller.name)
    await trio.sleep(random.uniform(1.0, 3.0))
    world.network.mend(leader.name, fenced.name)
    world.network.mend(leader.name, world.controller.name)


async def reset_any(world: World, random: Random) -> None:
    one, other = random.sample([*(node.name for node in world.nodes), "client"], 2)
    world.network.reset(one, other)


async def full_disk(world: World, random: Random) -> None:
    node = random.choice(world.brokers)
    node.disk.is_full = True
    await hold(random)
    node.disk.is_full = False


async def failing_syncs(world: World, random: Random) -> None:
    """The disk of one machine says EIO; its broker ends, and comes back to a disk that works again."""
    node = random.choice(world.brokers)
    node.disk.syncs_fail = True
    await hold(random)
    node.disk.syncs_fail = False
    node.kill(power=True)
    await world.start()


async def wipe(world: World, random: Random) -> None:
    """A disk is lost. Only while all have everything: no cluster survives the loss of all copies."""
    node = random.choice(world.brokers)
    if not world.is_being_refilled and world.is_all_in_sync:
        node.kill()
        node.wipe()
        await hold(random)
        await world.start()


FAULTS: dict[str, Callable[[World, Random], Awaitable[None]]] = {
    "kill-leader": kill_leader,
    "kill-any": kill_any,
    "power-any": power_any,
    "power-leader": power_leader,
    "power-some": power_some,
    "power-all": power_all,
    "one-after-the-other": one_after_the_other,
    "bounce": bounce,
    "restart": restart,
    "cut-leader": cut_leader,
    "cut-any": cut_any,
    "cut-clients": cut_clients,
    "slow-any": slow_any,
    "leave-behind": leave_behind,
    "overtake": overtake,
    "reset-any": reset_any,
    "full-disk": full_disk,
    "failing-syncs": failing_syncs,
    "wipe": wipe,
}
