"""`odradek.testing` without async: a cluster of real processes, and the nodes of which it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from odradek.sync.faces import Face, asks, waits
from odradek.sync.thread import THREAD
from odradek.testing import cluster, node


class Node:
    """A process of a cluster, as `odradek.testing.Node`."""

    def __init__(self, inner: node.Node) -> None:
        self.inner = inner
        self.name = inner.name

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return self.inner.address

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        return self.inner.pid

    @property
    def state(self) -> node.State:
        return self.inner.state

    start = waits(node.Node.start)
    stop = waits(node.Node.stop)
    kill = asks(node.Node.kill)
    pause = asks(node.Node.pause)
    resume = asks(node.Node.resume)
    fill_disk = asks(node.Node.fill_disk)
    free_disk = asks(node.Node.free_disk)


class Cluster(Face):
    """Use as `with Cluster(brokers=3) as cluster:`. Arguments are those of `odradek.testing.Cluster`."""

    inner: cluster.Cluster

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(cluster.Cluster(*arguments, **named))
        self._nodes = {each.name: Node(each) for each in self.inner.nodes}

    @property
    def bootstrap(self) -> str:
        """For clients: all brokers."""
        return self.inner.bootstrap

    @property
    def brokers(self) -> list[Node]:
        return [self._nodes[each.name] for each in self.inner.brokers]

    def node(self, name: str) -> Node:
        """By its name, or a broker by its number. Raises ValueError."""
        return self._nodes[self.inner.node(name).name]

    def active_controller(self) -> Node:
        """The process that decides at the moment; waits until one does."""
        return self._nodes[THREAD.run(self.inner.active_controller).name]

    def leader_of(self, topic: str, partition: int) -> Node:
        """The broker that leads a partition; waits until one does."""
        return self._nodes[THREAD.run(self.inner.leader_of, topic, partition).name]

    def followers_of(self, topic: str, partition: int) -> list[Node]:
        """The brokers that keep a partition and do not lead it."""
        return [self._nodes[each.name] for each in THREAD.run(self.inner.followers_of, topic, partition)]

    def partition(self, one: Node | str, other: Node | str) -> None:
        """Nothing passes between the two any more. Needs network_faults."""
        self._call(self.inner.partition, one, other)

    def isolate(self, node: Node | str) -> None:
        """From all other nodes, not from clients. Needs network_faults."""
        self._call(self.inner.isolate, node)

    def slow(
        self, one: Node | str, other: Node | str, *, latency_s: float = 0.0, bytes_per_s: float | None = None
    ) -> None:
        """Between the two everything takes so much longer each way. Needs network_faults."""
        self._call(self.inner.slow, one, other, latency_s=latency_s, bytes_per_s=bytes_per_s)

    wait_in_sync = waits(cluster.Cluster.wait_in_sync)
    heal = asks(cluster.Cluster.heal)
    start = waits(cluster.Cluster.start)
    stop = waits(cluster.Cluster.stop)

    def _call(self, function: Callable[..., None], *nodes: Node | str, **named: Any) -> None:
        THREAD.run_sync(function, *(each.inner if isinstance(each, Node) else each for each in nodes), **named)
