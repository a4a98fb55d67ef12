"""What is done to machines and to what is between them, by name. Each fault ends by itself, or `heal` ends it."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Awaitable, Callable
from random import Random

import bit_rot
import trio
from bit_rot import DATA
from sim_clock import FASTEST, SLOWEST
from sim_disk import READS, SYNCS, WRITES, Failure
from sim_etcd import SimMember
from world import SimNode, World

from odradek_broker.controller.image import TRANSACTION_TOPIC
from odradek_broker.log import filenames

SHORTEST_S, LONGEST_S = 0.01, 6.0
LONGEST_JUMP_MS = 60_000
MOST_CALLS = 200


async def heal(world: World) -> None:
    world.network.heal()
    if world.etcd is not None:
        world.etcd.heal()
    for node in world.nodes:
        node.disk.heal()
        node.resume()
    await world.start()


async def restart_the_failed(world: World) -> None:
    """Whose disk had failed, and who goes on all the same for the sake of what it alone has, is started anew."""
    for node in world.members:
        if node.broker is not None and any(each.log.failed for each in node.broker.partitions.values()):
            node.kill()
    await world.start()


async def hold(random: Random) -> None:
    """Mostly short, sometimes longer than any session."""
    await trio.sleep(SHORTEST_S * (LONGEST_S / SHORTEST_S) ** random.random())


def _leader(world: World, random: Random) -> SimNode:
    """Of some partition."""
    topics = world.invariants.decided.topics
    if not topics:
        return random.choice(world.members)
    topic = topics[random.choice(sorted(topics))]
    found = world.leader(topic.name, random.choice(sorted(topic.partitions)))
    return found if found is not None and found.is_up else random.choice(world.members)


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
    await _down_for_a_while(world, random, random.sample(world.members, 2), power=True)


async def power_all(world: World, random: Random) -> None:
    """The machines usually share one socket."""
    await _down_for_a_while(world, random, world.nodes, power=True)


async def one_after_the_other(world: World, random: Random) -> None:
    """Each follower falls back while the others go on; then the last goes, and those come back without it."""
    leader = _leader(world, random)
    followers = [broker for broker in world.members if broker is not leader]
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
    others = random.choice([[world.controller], world.members, world.nodes])
    await _cut_for_a_while(world, random, [(leader.name, other.name) for other in others if other is not leader])


async def cut_any(world: World, random: Random) -> None:
    one, other = random.sample(world.nodes, 2)
    await _cut_for_a_while(world, random, [(one.name, other.name)])


async def cut_clients(world: World, random: Random) -> None:
    cut_off = random.sample(world.members, random.randint(1, 3))
    await _cut_for_a_while(world, random, [("client", broker.name) for broker in cut_off])


async def slow_any(world: World, random: Random) -> None:
    one, other = random.sample([*(node.name for node in world.nodes), "client"], 2)
    world.network.slow(one, other, random.uniform(0.01, 1.0))
    await hold(random)
    world.network.mend(one, other)


async def leave_behind(world: World, random: Random) -> None:
    """A follower hears nothing from its leader, whose wish to go on without it is long on its way."""
    leader = _leader(world, random)
    follower = random.choice([broker for broker in world.members if broker is not leader])
    world.network.slow(leader.name, world.controller.name, random.uniform(0.1, 2.0))
    world.network.cut(leader.name, follower.name)
    await trio.sleep(world.lag_s + random.uniform(0, 2.0))
    world.network.mend(leader.name, follower.name)
    world.network.mend(leader.name, world.controller.name)


async def overtake(world: World, random: Random) -> None:
    """While the leader's wish to go on without one follower is on its way, the other is fenced and let in again.

    What the leader asked for was then asked of a partition that is not the same any more, and names a replica that the
    records written meanwhile have not reached.
    """
    leader = _leader(world, random)
    followers = [broker for broker in world.members if broker is not leader]
    random.shuffle(followers)
    behind, fenced = followers[:2]
    world.network.slow(leader.name, world.controller.name, random.uniform(0.5, 1.2))
    world.network.cut(leader.name, behind.name)
    world.network.cut(fenced.name, world.controller.name)
    await trio.sleep(world.session_s + random.uniform(-0.3, 0.3))
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
    node = random.choice(world.members)
    node.disk.is_full = True
    await hold(random)
    node.disk.is_full = False


async def failing_syncs(world: World, random: Random) -> None:
    """The disk of one machine says EIO; its broker ends, and comes back to a disk that works again."""
    node = random.choice(world.members)
    node.disk.syncs_fail = True
    await hold(random)
    node.disk.syncs_fail = False
    node.kill(power=True)
    await world.start()


async def wipe(world: World, random: Random) -> None:
    """A disk is lost. Only while all have everything: no cluster survives the loss of all copies or of its metadata."""
    node = random.choice([broker for broker in world.members if broker is not world.controller])
    if not world.is_being_refilled and world.is_all_in_sync:
        node.kill()
        node.wipe()
        await hold(random)
        await world.start()


async def _pause_for_a_while(node: SimNode, random: Random) -> None:
    """It goes on also when the faults are over: nobody who waits for its start could be cancelled before."""
    node.pause()
    try:
        await hold(random)
    finally:
        node.resume()


async def pause_any(world: World, random: Random) -> None:
    """SIGSTOP and SIGCONT."""
    await _pause_for_a_while(random.choice(world.nodes), random)


async def pause_leader(world: World, random: Random) -> None:
    await _pause_for_a_while(_leader(world, random), random)


async def drift(world: World, random: Random) -> None:
    """From now on the clocks of a machine run at another rate."""
    random.choice(world.nodes).clock.rate = random.uniform(SLOWEST, FASTEST)


async def jump(world: World, random: Random) -> None:
    """Somebody sets the wall clock of a machine."""
    random.choice(world.nodes).clock.jump(random.randint(-LONGEST_JUMP_MS, LONGEST_JUMP_MS))


async def cut_one_way(world: World, random: Random) -> None:
    one, other = random.sample(_hosts(world), 2)
    world.network.cut(one, other, one_way=True)
    await hold(random)
    world.network.mend(one, other)


async def refuse(world: World, random: Random) -> None:
    """A rule in the way rejects connections, and perhaps ends those that are there."""
    one, other = random.sample(_hosts(world), 2)
    world.network.refuse(one, other, reset=random.random() < 0.5)
    await hold(random)
    world.network.mend(one, other)


async def give_up(world: World, random: Random) -> None:
    """One end takes its connections for broken; what it has sent arrives all the same, when it has asked elsewhere."""
    one, other = random.sample(_hosts(world), 2)
    world.network.slow(one, other, random.uniform(0.01, 0.5))
    await trio.sleep(random.uniform(0, 0.5))
    world.network.give_up(one, other, silently=random.random() < 0.5)
    world.network.mend(one, other)


async def strike(world: World, random: Random) -> None:
    """Some call that a process makes of its disk fails, once or more often; the process is then started anew."""
    node = random.choice(world.nodes)
    calls = random.choice([READS, WRITES, SYNCS])
    error = errno.ENOSPC if calls is WRITES and random.random() < 0.5 else errno.EIO
    node.disk.fail(Failure(error, calls, after=random.randrange(MOST_CALLS), times=random.choice([1, 1, 3, None])))
    await hold(random)
    node.disk.heal()
    node.kill(power=random.random() < 0.5)
    await world.start()


async def lose_caches(world: World, random: Random) -> None:
    """A sync fails once and the next one succeeds; what was not synced is in memory alone, until not even there."""
    node = random.choice(world.members)
    node.disk.fail(Failure(errno.EIO, SYNCS, times=1))
    await hold(random)
    node.disk.heal()
    node.kill()
    if random.random() < 0.5:
        changed = node.disk.drop_caches()
        if not world.syncs and any(path.endswith(filenames.LOG) for path in changed):  # that was acknowledged
            world.invariants.lost(world.brokers.index(node))
    await world.start()


async def rot(world: World, random: Random) -> None:
    """A machine loses power, and comes back with a bit turned over in what it had on stable storage of a partition.

    Only where it is known to the controller as it is, and another has everything: one copy of a partition is damaged in
    a run. It is to be told from a torn write, and not to lead while another can.
    """
    node = random.choice(world.members)
    number, invariants = world.brokers.index(node), world.invariants
    if not _is_settled(world, node) or not world.syncs:
        return
    may_rot = world.atlas.of(node.name)
    places = [
        (name, (topic.topic_id, index))
        for name, topic in sorted(invariants.decided.topics.items())
        for index, partition in topic.partitions.items()
        if number in partition.replicas
        and may_rot(posixpath.join(DATA, f"{name}-{index}", "any"))
        and invariants.others_have(number, (topic.topic_id, index), partition)
    ]
    node.kill(power=True, silently=random.random() < 0.5)
    random.shuffle(places)
    for name, key in places:
        if bit_rot.damage(node.disk, random, key, name, compacts=invariants.is_compacted(key)):
            invariants.damaged(number, key)
            break
    await hold(random)
    await world.start()


async def rot_journal(world: World, random: Random) -> None:
    """A bit turns over in what the only controller has decided, and after a while it is put back, as from a copy.

    Meanwhile it refuses to start, or does without what is damaged: nothing may be decided by less than all knew.
    """
    node = world.controller
    if world.etcd is not None or not node.is_up:
        return
    node.kill()
    turned = bit_rot.damage_journal(node.disk, random)
    world.nursery.start_soon(node.start)
    try:
        await trio.sleep(random.uniform(0.3, 2.0))
    finally:
        if turned is not None and not node.is_ready:
            node.kill()  # it may be in the midst of trying, and must not read half of the one and half of the other
            if node.disk.exists(turned.path) and node.disk.size(turned.path) > turned.position:
                node.disk.flip(*turned)
    await world.start()


def _is_settled(world: World, node: SimNode) -> bool:
    """It is a member, and has no registration on its way."""
    known = world.invariants.decided.brokers.get(world.brokers.index(node))
    broker = node.broker
    if known is None or broker is None or not hasattr(broker, "controller"):
        return False
    return not known.fenced and broker.controller.broker_epoch == known.epoch


def _hosts(world: World) -> list[str]:
    return [*(node.name for node in world.nodes), "client"]


# ------------------------------------------------------------------------------------------------------------- etcd


def _members(world: World) -> list[SimMember]:
    return [] if world.etcd is None else list(world.etcd.members)


async def kill_etcd(world: World, random: Random) -> None:
    """Some members, of which there may be too few left to decide anything."""
    members = _members(world)
    if members:
        for member in random.sample(members, random.randint(1, len(members))):
            member.kill()
        await hold(random)
        await world.start()


async def pause_etcd(world: World, random: Random) -> None:
    members = _members(world)
    if members:
        member = random.choice(members)
        member.pause()
        await hold(random)
        member.resume()


async def slow_etcd(world: World, random: Random) -> None:
    members = _members(world)
    if members:
        member = random.choice(members)
        member.slow_s = random.uniform(0.01, 1.0)
        await hold(random)
        member.slow_s = 0.0


async def cut_etcd(world: World, random: Random) -> None:
    """A member from others, or from those that want to be the controller."""
    members = _members(world)
    if members:
        member = random.choice(members)
        sides: list[list[str]] = [[each.name for each in members], [each.name for each in world.controllers]]
        others = [name for name in random.choice(sides) if name != member.name]
        await _cut_for_a_while(world, random, [(member.name, other) for other in others])


async def kill_controller(world: World, random: Random) -> None:
    """Whoever decides."""
    await _down_for_a_while(world, random, [world.controller], power=random.random() < 0.5)


async def pause_controller(world: World, random: Random) -> None:
    await _pause_for_a_while(world.controller, random)


async def strand_coordinator(world: World, random: Random) -> None:
    """Who coordinates transactions hears from no follower for a moment, and is gone then with what nobody else has.

    Clients reach it all the time; it is gone before it can go on without its followers.
    """
    topic = world.invariants.decided.topics.get(TRANSACTION_TOPIC)
    leader = None if topic is None else world.leader(TRANSACTION_TOPIC, random.choice(sorted(topic.partitions)))
    if leader is None or not leader.is_up:
        return
    followers = [(leader.name, other.name) for other in world.members if other is not leader]
    for pair in followers:
        world.network.cut(*pair)
    await trio.sleep(random.uniform(0, world.lag_s))
    leader.kill(power=random.random() < 0.5)
    for pair in followers:
        world.network.mend(*pair)
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
    "pause-any": pause_any,
    "pause-leader": pause_leader,
    "drift": drift,
    "jump": jump,
    "cut-one-way": cut_one_way,
    "refuse": refuse,
    "give-up": give_up,
    "strike": strike,
    "lose-caches": lose_caches,
    "rot-journal": rot_journal,
    "kill-controller": kill_controller,
    "pause-controller": pause_controller,
}

ETCD_FAULTS: dict[str, Callable[[World, Random], Awaitable[None]]] = {
    "kill-etcd": kill_etcd,
    "pause-etcd": pause_etcd,
    "slow-etcd": slow_etcd,
    "cut-etcd": cut_etcd,
}
"""In worlds that have one."""

ROT: dict[str, Callable[[World, Random], Awaitable[None]]] = {"rot": rot}

OF_TRANSACTIONS: dict[str, Callable[[World, Random], Awaitable[None]]] = {"strand-coordinator": strand_coordinator}
"""In worlds where somebody uses them."""
