"""What a nemesis does: one fault at a time, held for a while, then healed. Everything is drawn from one seed."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import TypeAlias

import trio

from odradek.errors import OdradekError
from odradek.protocol.topic_partition import TopicPartition
from odradek.testing.chaos.drifting_clock import libfaketime, wrong_clock
from odradek.testing.chaos.history import CRASH, Fault, Place
from odradek.testing.chaos.hostile_client import hostile_client
from odradek.testing.chaos.operations import OPERATIONS
from odradek.testing.cluster import Cluster
from odradek.testing.etcd_node import EtcdNode
from odradek.testing.node import Node, NodeFailed

logger = logging.getLogger(__name__)

Tell: TypeAlias = Callable[[str, str, bool], None]
"""(kind of fault, node, whether it is healed)."""

SHORTEST_S, LONGEST_S = 0.2, 6.0
REST_S = 2.0
BOUNCES = 5
ENDS_WITHIN_S = 10.0
"""After its disk was full, a broker may end by itself for so long."""


class Nemesis:
    """Does what it is told, or draws from all kinds."""

    def __init__(self, cluster: Cluster, places: Sequence[Place], seed: int, kinds: list[str], tell: Tell) -> None:
        """`places`: the partitions that are at stake. Raises ValueError for a kind that there is not, or not here."""
        unknown = sorted(set(kinds) - set(KINDS))
        if unknown:
            raise ValueError(f"there is no fault {unknown[0]}; there are {', '.join(KINDS)}")
        alone, no_etcd, over_tls = len(cluster.brokers) == 1, not cluster.etcd, cluster.security.over_tls
        for kind in kinds:
            if kind in AMONG_SEVERAL and alone:
                raise ValueError(f"{kind} needs a second broker")
            if kind in WITH_ETCD and no_etcd:
                raise ValueError(f"{kind} needs --journal etcd")
            if kind in ON_LINKS and over_tls:
                raise ValueError(f"{kind} cannot be told apart over TLS")
            if kind in OF_CLOCKS and libfaketime() is None:
                raise ValueError(f"{kind} needs libfaketime: apt-get install faketime")
        impossible = (AMONG_SEVERAL if alone else set()) | (WITH_ETCD if no_etcd else set())
        impossible |= ON_LINKS if over_tls else set()
        if not kinds and libfaketime() is None:
            logger.warning("%s is left out: libfaketime is not installed here", *OF_CLOCKS)
            impossible |= OF_CLOCKS
        self.cluster = cluster
        self.random = Random(seed)
        self._places = places
        self._kinds = kinds or [kind for kind in KINDS if kind not in impossible]
        self._tell = tell
        self._may_end: dict[str, float] = {}

    async def run(self) -> None:
        """One fault after the other, until cancelled."""
        while True:
            kind = self.random.choice(self._kinds)
            hold_s = self.random.uniform(SHORTEST_S, LONGEST_S)
            try:
                await KINDS[kind](self, hold_s)
            except (NodeFailed, OdradekError, trio.TooSlowError):
                await self.heal()  # what this fault wanted was not possible
            self.look_for_crashes()
            await trio.sleep(self.random.uniform(0, REST_S))

    async def heal(self) -> None:
        """Every node up again, and everybody within reach."""
        self.cluster.heal()
        self.look_for_crashes()
        for node in self.cluster.nodes:
            if node.pid is not None:
                node.resume()
            if node.environment:  # it has begun with it, or would
                node.environment.clear()
                if node.pid is not None:
                    node.kill()
        for member in self.cluster.etcd:
            if member.is_paused:
                member.resume()
        await self.cluster.start()

    def may_end(self, node: Node) -> None:
        """What has been done to it is a reason to end by itself, before long."""
        self._may_end[node.name] = trio.current_time() + ENDS_WITHIN_S

    def look_for_crashes(self) -> None:
        """Tell of each node that has ended by itself since this was asked last."""
        for node in self.cluster.nodes:
            code = node.take_crash()
            if code is not None and trio.current_time() > self._may_end.get(node.name, 0.0):
                self.said(CRASH, node)

    def place(self) -> TopicPartition:
        return TopicPartition(*self.random.choice(self._places))

    @property
    def topic(self) -> str:
        return self._places[0][0]

    async def wait_in_sync(self) -> None:
        for topic in dict.fromkeys(topic for topic, _ in self._places):
            await self.cluster.wait_in_sync(topic)

    async def leader(self) -> Node:
        return await self.cluster.leader_of(*self.place())

    async def follower(self) -> Node:
        leader = await self.cluster.leader_of(*self._places[0])
        return self.random.choice([broker for broker in self.cluster.brokers if broker is not leader])

    def said(self, kind: str, node: Node | EtcdNode, *, healed: bool = False) -> None:
        self._tell(kind, node.name, healed)

    def did(self, what: str, to: str) -> None:
        """Something that is over at once, or is no fault."""
        self._tell(what, to, False)


async def _kill(nemesis: Nemesis, kind: str, node: Node | EtcdNode, hold_s: float) -> None:
    nemesis.said(kind, node)
    node.kill()
    await trio.sleep(hold_s)
    await node.start()
    nemesis.said(kind, node, healed=True)


async def _pause(nemesis: Nemesis, kind: str, node: Node | EtcdNode, hold_s: float) -> None:
    nemesis.said(kind, node)
    node.pause()
    await trio.sleep(hold_s)
    node.resume()
    nemesis.said(kind, node, healed=True)


async def kill_leader(nemesis: Nemesis, hold_s: float) -> None:
    await _kill(nemesis, "kill-leader", await nemesis.leader(), hold_s)


async def kill_follower(nemesis: Nemesis, hold_s: float) -> None:
    await _kill(nemesis, "kill-follower", await nemesis.follower(), hold_s)


async def kill_controller(nemesis: Nemesis, hold_s: float) -> None:
    await _kill(nemesis, "kill-controller", await nemesis.cluster.active_controller(), hold_s)


async def kill_all(nemesis: Nemesis, hold_s: float) -> None:
    for node in nemesis.cluster.nodes:
        nemesis.said("kill-all", node)
        node.kill()
    await trio.sleep(hold_s)
    await nemesis.cluster.start()
    for node in nemesis.cluster.nodes:
        nemesis.said("kill-all", node, healed=True)


async def bounce(nemesis: Nemesis, hold_s: float) -> None:
    for _ in range(BOUNCES):
        await _kill(nemesis, "bounce", await nemesis.leader(), hold_s / BOUNCES)


async def pause_leader(nemesis: Nemesis, hold_s: float) -> None:
    await _pause(nemesis, "pause-leader", await nemesis.leader(), hold_s)


async def pause_follower(nemesis: Nemesis, hold_s: float) -> None:
    await _pause(nemesis, "pause-follower", await nemesis.follower(), hold_s)


async def pause_controller(nemesis: Nemesis, hold_s: float) -> None:
    await _pause(nemesis, "pause-controller", await nemesis.cluster.active_controller(), hold_s)


async def restart(nemesis: Nemesis, hold_s: float) -> None:
    node = nemesis.random.choice(nemesis.cluster.brokers)
    nemesis.said("restart", node)
    await node.stop()
    await trio.sleep(hold_s / 4)
    await node.start()
    nemesis.said("restart", node, healed=True)


async def wipe_follower(nemesis: Nemesis, hold_s: float) -> None:
    """A disk is lost. Only while all the others have everything: no cluster survives the loss of all copies."""
    await nemesis.wait_in_sync()
    node = await nemesis.follower()
    nemesis.said("wipe-follower", node)
    node.kill()
    shutil.rmtree(node.directory)
    await trio.sleep(hold_s / 4)
    await node.start()
    await nemesis.wait_in_sync()
    nemesis.said("wipe-follower", node, healed=True)


async def _network(nemesis: Nemesis, kind: str, leader: Node, hold_s: float) -> None:
    """What has been done to the network lasts for a while."""
    nemesis.said(kind, leader)
    await trio.sleep(hold_s)
    nemesis.cluster.heal()
    nemesis.said(kind, leader, healed=True)


async def cut_leader_from_followers(nemesis: Nemesis, hold_s: float) -> None:
    leader = await nemesis.leader()
    for broker in nemesis.cluster.brokers:
        if broker is not leader:
            nemesis.cluster.partition(leader, broker)
    await _network(nemesis, "cut-leader-from-followers", leader, hold_s)


async def cut_leader_from_controller(nemesis: Nemesis, hold_s: float) -> None:
    leader, controller = await nemesis.leader(), await nemesis.cluster.active_controller()
    if leader is not controller:
        nemesis.cluster.partition(leader, controller)
        await _network(nemesis, "cut-leader-from-controller", leader, hold_s)


async def isolate_leader(nemesis: Nemesis, hold_s: float) -> None:
    leader = await nemesis.leader()
    nemesis.cluster.isolate(leader)
    await _network(nemesis, "isolate-leader", leader, hold_s)


async def slow_leader(nemesis: Nemesis, hold_s: float) -> None:
    leader = await nemesis.leader()
    for broker in nemesis.cluster.brokers:
        if broker is not leader:
            nemesis.cluster.slow(leader, broker, latency_s=nemesis.random.uniform(0.005, 0.2))
    await _network(nemesis, "slow-leader", leader, hold_s)


async def full_disk(nemesis: Nemesis, hold_s: float) -> None:
    """A leader that takes nothing for some seconds ends, so that others go on."""
    leader = await nemesis.leader()
    nemesis.said("full-disk", leader)
    leader.fill_disk()
    await trio.sleep(hold_s)
    nemesis.cluster.heal()
    await nemesis.cluster.start()
    nemesis.may_end(leader)  # also while others were started, which may take longer than it has for that
    nemesis.said("full-disk", leader, healed=True)


async def clock_drift(nemesis: Nemesis, hold_s: float) -> None:
    """A node lives by clocks that are wrong, from one death to the next."""
    library, node = libfaketime(), nemesis.random.choice(nemesis.cluster.nodes)
    assert library is not None
    what, environment = wrong_clock(library, nemesis.random)
    node.kill()
    node.environment.update(environment)
    nemesis.said("clock-drift", node)
    await node.start()
    nemesis.did(f"clock {what}", node.name)
    await trio.sleep(hold_s)
    node.kill()
    node.environment.clear()
    await node.start()
    nemesis.said("clock-drift", node, healed=True)


async def kill_etcd(nemesis: Nemesis, hold_s: float) -> None:
    await _kill(nemesis, "kill-etcd", nemesis.random.choice(nemesis.cluster.etcd), hold_s)


async def pause_etcd(nemesis: Nemesis, hold_s: float) -> None:
    await _pause(nemesis, "pause-etcd", nemesis.random.choice(nemesis.cluster.etcd), hold_s)


KINDS: dict[str, Callable[[Nemesis, float], Awaitable[None]]] = {
    "kill-leader": kill_leader,
    "kill-follower": kill_follower,
    "kill-controller": kill_controller,
    "kill-all": kill_all,
    "bounce": bounce,
    "pause-leader": pause_leader,
    "pause-follower": pause_follower,
    "pause-controller": pause_controller,
    "restart": restart,
    "wipe-follower": wipe_follower,
    "cut-leader-from-followers": cut_leader_from_followers,
    "cut-leader-from-controller": cut_leader_from_controller,
    "isolate-leader": isolate_leader,
    "slow-leader": slow_leader,
    "full-disk": full_disk,
    "clock-drift": clock_drift,
    "hostile-client": hostile_client,
    "kill-etcd": kill_etcd,
    "pause-etcd": pause_etcd,
    **OPERATIONS,
}

AMONG_SEVERAL = {
    "kill-follower",
    "pause-follower",
    "wipe-follower",
    "cut-leader-from-followers",
    "slow-leader",
    "reassign",
}
"""What they do to a broker that is alone is nothing."""

WITH_ETCD = {"kill-etcd", "pause-etcd"}

OF_CLOCKS = {"clock-drift"}

ON_LINKS = {"cut-leader-from-followers", "cut-leader-from-controller", "isolate-leader", "slow-leader"}
"""Between two nodes, which nobody can tell from clients over TLS."""

__all__ = ["KINDS", "Fault", "Nemesis"]
