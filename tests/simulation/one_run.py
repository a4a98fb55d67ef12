"""One seed: a cluster, clients, operations and faults in virtual time; then everything is healed, read, and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import copiers
import transfers
import trio
from clients import Writer, be_a_member, drain, everything, look_up_commits, look_up_when_empty, read
from deterministic_trio import run_in_virtual_time
from faults import ETCD_FAULTS, FAULTS, OF_TRANSACTIONS, ROT, heal, restart_the_failed
from msgspec import structs
from operations import OPERATIONS, admin_of, create, make_what_is_missing, operate
from oracles import judge
from regex_members import MEMBERS as MEMBERS_BY_REGEX
from regex_members import RegexMember, until_all_is_held
from scene import Outcome, Scene
from share_members import SETTINGS as SHARE_SETTINGS
from share_members import Sharing
from transfers import Teller
from world import World
from worlds import TopicPlan, WorldPlan, draw

from odradek import TopicPartition

EVERY_FAULT = FAULTS | ETCD_FAULTS | ROT | OF_TRANSACTIONS
REST_S = 0.5
MEMBERS = 2
DRAIN_S = 200.0
WHOLE_WITHIN_S = 120.0
"""When nothing is wrong any more, until all is as at the beginning."""
CAUGHT_UP_WITHIN_S = 120.0
MOST_WRONG = 5
"""So many of the things that are wrong are told."""


@dataclass
class Result:
    violation: str | None = None
    acknowledged: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)
    """Segments rolled, passes of retention and compaction, checkpoints and snapshots written."""
    kinds: list[str] = field(default_factory=list)
    """Of the world."""
    virtual_s: float = 0.0
    events: int = 0
    trace: str = ""
    story: list[str] = field(default_factory=list)
    """What happened last."""

    @property
    def is_clean(self) -> bool:
        return self.violation is None


def plan_of(seed: int, kinds: list[str] | None = None, **settings: str) -> WorldPlan:
    """What the seed draws; of faults and operations only `kinds`, where given; with these settings in any case."""
    plan = draw(seed, list(FAULTS), list(ETCD_FAULTS), list(OPERATIONS), tuple(ROT), tuple(OF_TRANSACTIONS))
    if kinds is not None:
        plan = structs.replace(
            plan,
            faults=tuple(kind for kind in EVERY_FAULT if kind in kinds),
            operations=tuple(kind for kind in OPERATIONS if kind in kinds),
        )
    given = {name.replace("_", "."): value for name, value in settings.items()}
    return structs.replace(plan, settings={**plan.settings, **given})


def run_seed(seed: int, seconds: float = 30.0, kinds: list[str] | None = None, **settings: str) -> Result:
    """`seconds` of faults, in virtual time. Without `kinds` each seed draws its own mix."""
    return run_in_virtual_time(seed, _run, seed, seconds, plan_of(seed, kinds, **settings))


async def _run(seed: int, seconds: float, plan: WorldPlan) -> Result:
    result = Result(kinds=plan.kinds)
    scene: Scene | None = None
    try:
        async with trio.open_nursery() as nursery:
            world = World(
                nursery,
                seed,
                plan.brokers,
                spares=plan.spares,
                is_supervised=True,
                combined=plan.combined,
                etcds=plan.etcds,
                controllers=plan.controllers,
                most_bytes=plan.most_bytes,
                allows_unclean=plan.unclean,
                longest_sync_s=plan.longest_sync_s,
                longest_hop_s=plan.longest_hop_s,
                **_settings(plan),
            )
            scene = Scene(world, plan)
            await _live(scene, Random(seed), seconds, result)
            nursery.cancel_scope.cancel()
    except* Exception:
        if scene is None or scene.world.violation is None:
            raise
    assert scene is not None
    world = scene.world
    result.violation, result.virtual_s, result.trace = world.violation, trio.current_time(), world.trace
    result.events, result.story = world.events, list(world.story)
    result.operations, result.happened = scene.happened, world.happened
    result.acknowledged = sum(write.outcome is Outcome.OK for write in scene.writes)
    return result


def _settings(plan: WorldPlan) -> dict[str, Any]:
    settings = plan.settings | (SHARE_SETTINGS if plan.sharers else {})
    return {name.replace(".", "_"): value for name, value in settings.items()}


async def _live(scene: Scene, random: Random, seconds: float, result: Result) -> None:
    world = scene.world
    await world.start()
    async with admin_of(scene) as admin:
        for topic in (*scene.plan.topics, *([scene.plan.offsets_topic] if scene.plan.groups else [])):
            await create(scene, admin, topic, random)
        for name in transfers.TOPICS if scene.plan.tellers else ():
            await create(scene, admin, TopicPlan(name, transfers.PARTITIONS, 3, {}), random)
    tellers = [Teller(scene, f"x{n}", Random(random.getrandbits(64))) for n in range(scene.plan.tellers)]
    writing_is_over = trio.Event()
    sharing = Sharing(scene)
    named = [RegexMember(scene, f"r{n}") for n in range(MEMBERS_BY_REGEX if scene.plan.has_regexes else 0)]
    if scene.plan.sharers:
        await sharing.begin()
    async with trio.open_nursery() as readers:
        readers.start_soon(read, scene, "the reader")
        for group in range(scene.plan.groups):
            readers.start_soon(look_up_commits, scene, f"g{group}")
            for number in range(MEMBERS):
                name = f"member {number} of g{group}"
                readers.start_soon(be_a_member, scene, f"g{group}", name, Random(random.getrandbits(64)))
        for member in named:
            readers.start_soon(member.run)
        for number in range(scene.plan.sharers):
            chance = Random(f"sharer {number} of {scene.world.seed}")
            readers.start_soon(sharing.be_a_member, f"sharer {number}", chance)
        if tellers:
            readers.start_soon(copiers.copy, scene, Random(random.getrandbits(64)))
            readers.start_soon(transfers.watch, scene)
            readers.start_soon(copiers.look_up_copies, scene)
        async with trio.open_nursery() as writers:
            for number in range(scene.plan.writers):
                writer = Writer(scene, f"w{number}", Random(random.getrandbits(64)))
                writers.start_soon(writer.run, writing_is_over)
            for teller in tellers:
                writers.start_soon(teller.run, writing_is_over)
            with trio.move_on_after(seconds):
                await _inflict(scene, random, result)
            world.note("all is healed")
            await heal(world)
            await restart_the_failed(world)
            writing_is_over.set()
        scene.is_over.set()
        world.note("the last writer has finished")
        await _become_whole(scene)
        await _to_the_end(scene, Writer(scene, "last", Random(0)).write_once_to_each, "writing once more", DRAIN_S)
        await _catch_up(scene)
        if named:
            await _to_the_end(scene, partial(until_all_is_held, scene, named), "sharing out by an expression", DRAIN_S)
        if tellers:
            await _to_the_end(scene, partial(transfers.settle, scene, len(tellers)), "ending what is open", DRAIN_S)
            await _to_the_end(scene, partial(transfers.copied, scene), "copying it all", DRAIN_S)
            await _to_the_end(scene, partial(transfers.read_in_pieces, scene), "reading it in pieces", DRAIN_S)
        readers.cancel_scope.cancel()

    for group in range(scene.plan.groups):
        await _to_the_end(scene, partial(look_up_when_empty, scene, f"g{group}"), "asking for commits", DRAIN_S)
    if scene.plan.sharers:
        await _to_the_end(scene, sharing.deal_with_the_rest, "sharing it all", DRAIN_S)
        await _to_the_end(scene, sharing.read_dead_letters, "reading dead letters", DRAIN_S)
    await _to_the_end(scene, partial(drain, scene), "reading it all", DRAIN_S)
    await _become_whole(scene)
    for write in scene.writes:
        world.note(f"{write.value!r} {write.outcome.value} {write.offset} {write.done_s:.9f}")
    wrong = [*judge(scene), *transfers.judge_transfers(scene, tellers)]
    if wrong:
        scene.violated(f"{len(wrong)} wrong at the end: {'; '.join(wrong[:MOST_WRONG])}")
        await trio.lowlevel.checkpoint()


async def _inflict(scene: Scene, random: Random, result: Result) -> None:
    """One fault after the other, or two such rows at once, and what administrators do besides."""
    async with trio.open_nursery() as nursery:
        if scene.plan.faults:
            for _ in range(scene.plan.nemeses):
                nursery.start_soon(_nemesis, scene, Random(random.getrandbits(64)), result.faults)
        if scene.plan.operations:
            nursery.start_soon(_administrator, scene, Random(random.getrandbits(64)))
        await trio.sleep_forever()


async def _nemesis(scene: Scene, random: Random, faults: Counter[str]) -> None:
    while True:
        await trio.sleep(random.expovariate(1 / REST_S))
        kind = random.choice(scene.plan.faults)
        faults[kind] += 1
        scene.world.note(kind)
        await EVERY_FAULT[kind](scene.world, random)


async def _administrator(scene: Scene, random: Random) -> None:
    while True:
        await trio.sleep(random.expovariate(1 / scene.plan.operation_rest_s))
        kind = random.choice(scene.plan.operations)
        scene.world.note(kind)
        await operate(scene, random, kind)


# -------------------------------------------------------------------------------------------------------- liveness


async def _become_whole(scene: Scene) -> None:
    """Every topic is there, every partition is led, every replica is in sync."""
    world = scene.world
    with trio.move_on_after(WHOLE_WITHIN_S):
        await restart_the_failed(world)
        while not world.is_all_in_sync or not all(scene.partitions_of(topic.name) for topic in scene.plan.topics):
            await world.start()  # one whose disk had failed may have ended only now
            await make_what_is_missing(scene)
            await trio.sleep(0.5)
        return
    scene.violated(f"liveness: not all replicas are in sync again: {'; '.join(world.out_of_sync)}")
    await trio.lowlevel.checkpoint()


async def _to_the_end(scene: Scene, what: Callable[[], Awaitable[None]], name: str, within_s: float) -> None:
    with trio.move_on_after(within_s):
        await what()
        return
    scene.violated(f"liveness: {name} does not come to an end")
    await trio.lowlevel.checkpoint()


async def _catch_up(scene: Scene) -> None:
    """Every group reads everything, and can say so."""
    grouped = {topic.name for topic in scene.plan.topics if topic.is_grouped}
    places = [place for place in everything(scene) if place.topic in grouped]
    with trio.move_on_after(CAUGHT_UP_WITHIN_S):
        while behind := _behind(scene, places):  # noqa: ASYNC110 (virtual time; nobody tells)
            await trio.sleep(0.5)
        await _compare_commits(scene)
        return
    scene.violated(f"liveness: groups do not catch up: {behind}")
    await trio.lowlevel.checkpoint()


def _behind(scene: Scene, places: list[TopicPartition]) -> list[str]:
    found = []
    for group in (f"g{number}" for number in range(scene.plan.groups)):
        for place in places:
            key = scene.key_of(place)
            committed = None if key is None else scene.world.invariants.committed.get(key)
            end, known = 0 if committed is None else committed.end_offset, scene.commits.get((group, place), 0)
            if known < end and not scene.has_lost(place):
                found.append(f"{group} has committed {known} of {place}, of {end}")
    return found


async def _compare_commits(scene: Scene) -> None:
    """What a group has committed is what it was told that it has, or more."""
    for group in range(scene.plan.groups):
        async with admin_of(scene) as admin:
            known = dict(scene.commits)
            found = await admin.group_offsets(f"g{group}")
            for (name, place), offset in known.items():
                if name == f"g{group}" and not scene.has_lost(place) and not scene.has_lost_commits:
                    now = found[place].offset if place in found else None
                    if now is None or now < offset:
                        scene.violated(f"S9: {name} has committed {offset} of {place}, and now {now} is said")
