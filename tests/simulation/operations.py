"""What administrators do meanwhile, by name. An operation that is refused, or not answered in time, is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

import trio
from scene import Scene
from world import SimNode, World
from worlds import MOST_PARTITIONS, TopicPlan

from odradek import Admin, TopicPartition
from odradek.admin import ResourceType
from odradek.errors import OdradekError
from odradek.protocol.messages.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse
from odradek_broker.metadata.client import ControllerUnavailable

ADMIN_TIMEOUT_MS = 5_000
WHOLE_WITHIN_S = 20.0
LONGEST_UNSHOWN_S = 0.5
LONGEST_WISH_S = 5.0


def admin_of(scene: Scene) -> Admin:
    return Admin(
        scene.world.bootstrap,
        request_timeout_ms=ADMIN_TIMEOUT_MS,
        connect_timeout_ms=ADMIN_TIMEOUT_MS,
        surroundings=scene.world.client(),
    )


async def create(scene: Scene, admin: Admin, topic: TopicPlan, random: Random) -> None:
    """By naming its replicas: with as many brokers as there are, in an order drawn."""
    members = [number for number, node in enumerate(scene.world.brokers) if not node.is_spare]
    replicas = [random.sample(members, topic.replication) for _ in range(topic.partitions)]
    await admin.create_topic(topic.name, replicas=replicas, configs=topic.configs)


async def make_what_is_missing(scene: Scene) -> None:
    """A topic that was deleted before the faults ended, and was not made again.

    It may have been deleted later still: a wish is carried out also where nobody waits for it any more.
    """
    missing = [topic for topic in scene.plan.topics if not scene.partitions_of(topic.name)]
    if missing:
        async with admin_of(scene) as admin:
            for topic in missing:
                try:
                    await create(scene, admin, topic, Random(0))
                except OdradekError as error:
                    scene.world.note(f"{topic.name} cannot be made again yet: {error}")


async def operate(scene: Scene, random: Random, name: str) -> None:
    try:
        await OPERATIONS[name](scene, random)
        scene.happened[name] += 1
    except (OdradekError, ControllerUnavailable, ValueError) as error:
        scene.happened[f"{name} refused"] += 1
        scene.world.note(f"{name}: {error}")


def _partition(scene: Scene, random: Random) -> TopicPartition | None:
    topic = random.choice(scene.plan.topics).name
    count = scene.partitions_of(topic)
    return TopicPartition(topic, random.randrange(count)) if count else None


async def prefer(scene: Scene, random: Random) -> None:
    """The first replica of a partition is to lead again."""
    place = _partition(scene, random)
    if place is not None:
        async with admin_of(scene) as admin:
            await admin.elect_leaders([place])


async def elect_uncleanly(scene: Scene, random: Random) -> None:
    place = _partition(scene, random)
    if place is not None and scene.plan.unclean:
        async with admin_of(scene) as admin:
            await admin.elect_leaders([place], unclean=True)


async def reassign(scene: Scene, random: Random) -> None:
    """Put a partition elsewhere, or in another order; sometimes call it off again."""
    place = _partition(scene, random)
    if place is None:
        return
    members = [number for number, node in enumerate(scene.world.brokers) if not node.is_spare]
    replicas = random.sample(members, scene.topic(place.topic).replication)
    async with admin_of(scene) as admin:
        await admin.reassign({place: replicas})
        scene.world.note(f"{place} is to go to {replicas}")
        if random.random() < 0.3:
            await trio.sleep(random.uniform(0, 1.0))
            await admin.reassign({place: None})


async def outdate(scene: Scene, random: Random) -> None:
    """While a leader's wish to take a follower back is on its way the partition changes, and the follower falls behind.

    What comes late was asked of a partition that is not the same any more: taken, it names a replica that the records
    written meanwhile have not reached.
    """
    place, world = _partition(scene, random), scene.world
    if place is None:
        return
    leader, decided = world.leader(*place), world.decided(*place)
    if leader is None or decided is None or len(decided.isr) < 3:
        return
    follower = world.brokers[random.choice([each for each in decided.isr if world.brokers[each] is not leader])]
    follower.kill()
    await trio.sleep(random.uniform(0.1, 1.0))
    world.network.slow(leader.name, world.controller.name, random.uniform(0.2, 1.0))
    try:
        await follower.start()
        with trio.move_on_after(LONGEST_WISH_S):
            while not _is_wishing(leader, place):  # noqa: ASYNC110 (virtual time; nobody tells)
                await trio.sleep(0.005)
            world.network.cut(leader.name, follower.name)
            async with admin_of(scene) as admin:
                await admin.reassign({place: [*decided.replicas[1:], decided.replicas[0]]})
            await trio.sleep(random.uniform(0.5, 2.0))
    finally:
        world.network.mend(leader.name, follower.name)
        world.network.mend(leader.name, world.controller.name)


def _is_wishing(leader: SimNode, place: TopicPartition) -> bool:
    partition = None if leader.broker is None else leader.broker.partitions.get((place.topic, place.partition))
    return partition is not None and partition.leadership is not None and partition.leadership.is_proposing


async def change_min_insync(scene: Scene, random: Random) -> None:
    """Of a topic, or of all that have no value of their own."""
    key, value = "min.insync.replicas", str(random.randint(1, 3))
    async with admin_of(scene) as admin:
        if random.random() < 0.3:
            await admin.alter_configs("", ResourceType.BROKER, set={key: value})
        elif random.random() < 0.3:
            await admin.alter_configs(random.choice(scene.plan.topics).name, delete=[key])
        else:
            await admin.alter_configs(random.choice(scene.plan.topics).name, set={key: value})
    scene.world.note(f"{key}={value}")


async def change_retention(scene: Scene, random: Random) -> None:
    topic = random.choice(scene.plan.topics)
    if topic.is_keyed:
        return
    async with admin_of(scene) as admin:
        await admin.alter_configs(topic.name, set={"retention.bytes": str(random.choice([-1, 0, 1_000, 10_000]))})


async def change_segments(scene: Scene, random: Random) -> None:
    topic = random.choice(scene.plan.topics)
    values = {"internal.segment.bytes": str(random.choice([600, 2_000, 1 << 20]))}
    async with admin_of(scene) as admin:
        with trio.move_on_after(LONGEST_UNSHOWN_S):  # the client would wait until it is shown, which it never is
            await admin.alter_configs(topic.name, set=values)


async def recreate(scene: Scene, random: Random) -> None:
    """Delete a topic, and make another of the same name, at once or a little later."""
    candidates = [topic for topic in scene.plan.topics if not topic.is_grouped]
    if not candidates:
        return
    topic = random.choice(candidates)
    async with admin_of(scene) as admin:
        await admin.delete_topic(topic.name)
        if random.random() < 0.5:
            await trio.sleep(random.uniform(0, 1.0))
        await create(scene, admin, topic, random)


async def delete_records(scene: Scene, random: Random) -> None:
    place = _partition(scene, random)
    if place is not None and not scene.topic(place.topic).is_keyed:
        await _delete(scene, random, place)


async def _delete(scene: Scene, random: Random, place: TopicPartition) -> None:
    key = scene.key_of(place)
    if key is None:
        return
    invariants = scene.world.invariants
    committed = invariants.committed.get(key)
    offset = random.randint(0, 0 if committed is None else committed.end_offset)
    invariants.may_begin_at[key] = max(invariants.may_begin_at.get(key, 0), offset)
    async with admin_of(scene) as admin:
        await admin.delete_records({place: offset})
    if scene.key_of(place) == key:
        invariants.promised_start[key] = max(invariants.promised_start.get(key, 0), offset)


async def delete_and_die(scene: Scene, random: Random) -> None:
    """Records are deleted while followers are down, and then those lead who were not asked: what was deleted is gone.

    They come back when the leader has died, eligible as they are, or before that, and are just in sync again.
    """
    place, world = _partition(scene, random), scene.world
    if place is None or scene.topic(place.topic).is_keyed:
        return
    leader, decided = world.leader(*place), world.decided(*place)
    if leader is None or decided is None or len(decided.isr) < 2:
        return
    followers = [world.brokers[each] for each in decided.isr if world.brokers[each] is not leader]
    random.shuffle(followers)
    away = followers[: random.randint(1, len(followers))]
    for node in away:
        node.kill()
        await trio.sleep(random.uniform(0.05, 1.0))
    with trio.move_on_after(random.uniform(0.5, 3.0)):
        await _delete(scene, random, place)
    if random.random() < 0.5:
        await away[-1].start()
        with trio.move_on_after(LONGEST_WISH_S):
            while not _is_in_sync(world, away[-1], place):  # noqa: ASYNC110 (virtual time; nobody tells)
                await trio.sleep(0.001)
    for node in (leader, *(each for each in followers if each not in away)):
        node.kill()
    await away[-1].start()
    await trio.sleep(random.uniform(0.5, 3.0))
    await world.start()


def _is_in_sync(world: World, node: SimNode, place: TopicPartition) -> bool:
    decided = world.decided(*place)
    return decided is not None and world.brokers.index(node) in decided.isr


async def add_partitions(scene: Scene, random: Random) -> None:
    topic = random.choice(scene.plan.topics)
    count = scene.partitions_of(topic.name)
    if 0 < count < MOST_PARTITIONS:
        async with admin_of(scene) as admin:
            await admin.create_partitions(topic.name, count + 1)


async def grow(scene: Scene, random: Random) -> None:
    """A broker is added, and takes its share."""
    spares = [(number, node) for number, node in enumerate(scene.world.brokers) if node.is_spare]
    place = _partition(scene, random)
    if not spares or place is None:
        return
    number, node = spares[0]
    node.is_spare = False
    await node.start()
    decided = scene.world.invariants.decided.partition(*place)
    if decided is not None:
        async with admin_of(scene) as admin:
            await admin.reassign({place: [number, *decided.replicas[1:]]})


async def shrink(scene: Scene, random: Random) -> None:
    """The broker that was added goes for good: it gives away all it has, stops, and is unregistered."""
    last = len(scene.world.brokers) - 1
    node = scene.world.brokers[last]
    if last < scene.plan.brokers or node.is_spare:
        return
    others = [number for number, other in enumerate(scene.world.brokers) if not other.is_spare and number != last]
    async with admin_of(scene) as admin:
        for topic in list(scene.world.invariants.decided.topics.values()):
            for index, partition in topic.partitions.items():
                if last in partition.replicas:
                    free = [number for number in others if number not in partition.replicas]
                    staying = [number for number in partition.replicas if number != last]
                    wanted = [*staying, random.choice(free)] if free else staying
                    await admin.reassign({TopicPartition(topic.name, index): wanted})
    with trio.move_on_after(WHOLE_WITHIN_S):
        while _keeps_any(scene, last):  # noqa: ASYNC110 (virtual time; nobody tells)
            await trio.sleep(0.1)
    if _keeps_any(scene, last):
        return
    node.is_spare = True
    await node.stop()
    node.kill()
    asked = scene.world.brokers[random.choice(others)].broker
    if asked is not None:
        with trio.move_on_after(ADMIN_TIMEOUT_MS / 1000):
            await asked.controller.ask(UnregisterBrokerRequest(last), UnregisterBrokerResponse, 0)


def _keeps_any(scene: Scene, number: int) -> bool:
    topics = scene.world.invariants.decided.topics.values()
    return any(number in partition.replicas for topic in topics for partition in topic.partitions.values())


OPERATIONS: dict[str, Callable[[Scene, Random], Awaitable[None]]] = {
    "prefer": prefer,
    "elect-uncleanly": elect_uncleanly,
    "reassign": reassign,
    "outdate": outdate,
    "change-min-insync": change_min_insync,
    "change-retention": change_retention,
    "change-segments": change_segments,
    "recreate": recreate,
    "delete-records": delete_records,
    "delete-and-die": delete_and_die,
    "add-partitions": add_partitions,
    "grow": grow,
    "shrink": shrink,
}
