"""A cluster of real processes on this machine: brokers, and a controller, or etcd for several of them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

import trio

from odradek.cluster.scope import check_trio
from odradek.first_error import first_error
from odradek.security import NO_SECURITY, Security
from odradek.testing.etcd_node import EtcdNode
from odradek.testing.links import Links
from odradek.testing.node import Node, NodeFailed
from odradek.testing.ports import free_ports

if TYPE_CHECKING:
    from odradek.admin import Admin

CONTROLLER_ID = 100
"""Brokers are numbered from 0, so a controller has a number behind any of theirs."""
CLUSTER_FILE = "cluster.json"
ETCD_PREFIX = "odradek"
MANY = 3
"""Controllers, where nobody says how many."""

Journal: TypeAlias = Literal["file", "etcd"]

LEADER_WITHIN_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 0.02


class Cluster:
    """Use as `async with`. Without a data directory the records go with it."""

    def __init__(
        self,
        brokers: int = 3,
        *,
        data_dir: str | Path | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        settings: Mapping[str, str] | None = None,
        journal: Journal = "file",
        controllers: int | None = None,
        etcd_members: int = 1,
        network_faults: bool = False,
        config: str | Path | None = None,
        security: Security = NO_SECURITY,
        etcd_security: Security = NO_SECURITY,
    ) -> None:
        """Broker i listens at `port` + i (0: at any free ports). `settings` are Kafka's, for all processes.

        With journal="file" there is one controller, a process of its own. With "etcd" the first `controllers` brokers
        (3) are controllers too, and etcd, which has to be installed, decides which of them is the active one. Of three
        `etcd_members` any one may die.
        `config` is a file of more settings, which may be secret; `security` says how this program connects, and which
        protocol the brokers speak; `etcd_security`, with a certificate and its key in one file, how etcd's members do.
        With `network_faults` proxies stand before all nodes, which `partition`, `isolate` and `slow` need.
        Raises ValueError for fewer brokers than the data directory was made for.
        """
        if brokers < 1:
            raise ValueError("a cluster has at least one broker")
        self.is_temporary = data_dir is None
        """Whether the data directory goes with the cluster."""
        self.data_dir = Path(tempfile.mkdtemp(prefix="odradek-") if data_dir is None else data_dir)
        self._host = host
        self._config = None if config is None else Path(config)
        self.security = security
        """How this program, and the administrator in it, connects."""
        self._settings = {**_settings_for(brokers), **(settings or {})}
        ports = self._ports(brokers, port)
        self._node_ports = dict(zip(ports, free_ports(len(ports), ports), strict=True)) if network_faults else {}
        self._links: Links | None = None
        self.controller: Node | None = None
        """The process that is a controller and nothing else, where there is one."""
        self.etcd: list[EtcdNode] = []
        """Its members, where it says who is controller."""
        candidates = 0
        if journal == "etcd":
            candidates = min(controllers or MANY, brokers)
            self.etcd = _etcd_members(self.data_dir, self._etcd_ports(etcd_members), etcd_security)
            quorum = [f"{host}:{each}" for each in ports[:candidates]]
        else:
            if controllers not in (None, 1):
                raise ValueError("several controllers need journal etcd")
            self.controller = self._make_controller(ports[-1])
            quorum = [self.controller.address]
        self.brokers = [self._make_broker(i, ports[i], quorum, decides=i < candidates) for i in range(brokers)]
        self._scope: AbstractAsyncContextManager[Self] | None = None

    @property
    def bootstrap(self) -> str:
        """For clients: all brokers."""
        return ",".join(broker.address for broker in self.brokers)

    @property
    def nodes(self) -> list[Node]:
        return [*([] if self.controller is None else [self.controller]), *self.brokers]

    def node(self, name: str) -> Node:
        """By its name, or a broker by its number. Raises ValueError."""
        for node in self.nodes:
            if name in (node.name, node.name.removeprefix("broker-")):
                return node
        raise ValueError(f"there is no node {name}; there are {', '.join(each.name for each in self.nodes)}")

    async def active_controller(self) -> Node:
        """The process that decides at the moment; waits until one does. Raises trio.TooSlowError."""
        if self.controller is not None:
            return self.controller
        with trio.fail_after(LEADER_WITHIN_SECONDS):
            while True:
                for member in self.etcd:
                    found = await member.leader(ETCD_PREFIX) if member.is_running and not member.is_paused else None
                    if found is not None:
                        return self.brokers[found]
                await trio.sleep(LOOK_AGAIN_SECONDS)

    async def leader_of(self, topic: str, partition: int) -> Node:
        """The broker that leads a partition; waits until one does.

        Raises trio.TooSlowError, ValueError where there is no such partition.
        """
        with trio.fail_after(LEADER_WITHIN_SECONDS):
            while True:
                partitions = await self._describe(topic)
                if partition not in partitions:
                    raise ValueError(f"{topic} has no partition {partition}, but {len(partitions)}, from 0 on")
                leader = partitions[partition][0]
                if 0 <= leader < len(self.brokers):
                    return self.brokers[leader]
                await trio.sleep(LOOK_AGAIN_SECONDS)

    async def wait_in_sync(self, topic: str) -> None:
        """Return when every replica of a topic is in sync. Raises trio.TooSlowError."""
        with trio.fail_after(LEADER_WITHIN_SECONDS):
            while True:
                partitions = await self._describe(topic)
                if all(leader >= 0 and in_sync == replicas for leader, in_sync, replicas in partitions.values()):
                    return
                await trio.sleep(LOOK_AGAIN_SECONDS)

    async def followers_of(self, topic: str, partition: int) -> list[Node]:
        """The brokers that keep a partition and do not lead it. Raises trio.TooSlowError."""
        leader = await self.leader_of(topic, partition)
        async with self._admin() as admin:
            replicas = (await admin.describe_topic(topic)).partitions[partition].replicas
        return [self.brokers[replica] for replica in replicas if self.brokers[replica] is not leader]

    # ----------------------------------------------------------------------------------------------- network faults

    def partition(self, one: Node | str, other: Node | str) -> None:
        """Nothing passes between the two any more, in either direction; "client" stands for whoever is no node.

        What is sent is held back, and no connection breaks. Needs network_faults.
        """
        self._network.cut(_name(one), _name(other))

    def isolate(self, node: Node | str) -> None:
        """From all other nodes, not from clients. Needs network_faults."""
        for other in self.nodes:
            if other.name != _name(node):
                self.partition(node, other)

    def slow(
        self, one: Node | str, other: Node | str, *, latency_s: float = 0.0, bytes_per_s: float | None = None
    ) -> None:
        """Between the two everything takes so much longer each way. Needs network_faults."""
        self._network.slow(_name(one), _name(other), latency_s, bytes_per_s)

    def heal(self) -> None:
        """End all partitions and slowness; what was held back arrives. Room on all disks."""
        if self._links is not None:
            self._links.heal()
        for node in self.nodes:
            if node.pid is not None:
                node.free_disk()

    @property
    def _network(self) -> Links:
        if self._links is None:
            raise RuntimeError("a cluster whose network is to fail is made with network_faults=True")
        return self._links

    # ----------------------------------------------------------------------------------------------- as a whole

    async def start(self) -> None:
        """Start every node that is down. Raises NodeFailed: the first of them, where several do not start."""
        failure: BaseException | None = None
        try:
            async with trio.open_nursery() as nursery:
                for member in self.etcd:
                    if not member.is_running:
                        nursery.start_soon(member.start)
            async with trio.open_nursery() as nursery:
                for node in self.nodes:
                    if node.pid is None:
                        nursery.start_soon(node.start)
        except* NodeFailed as failures:
            failure = first_error(failures)
        if failure is not None:
            raise failure

    async def stop(self) -> None:
        """Brokers first, while there is a controller to hand their partitions over."""
        async with trio.open_nursery() as nursery:
            for broker in self.brokers:
                nursery.start_soon(broker.stop)
        if self.controller is not None:
            await self.controller.stop()
        for member in self.etcd:
            member.kill()

    async def __aenter__(self) -> Self:
        check_trio()
        self._scope = self._run()
        return await self._scope.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._scope is not None
        return await self._scope.__aexit__(kind, error, traceback)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[Self]:
        if self._node_ports:
            self._links = Links()
            for node in self.nodes:
                node.front = self._links.front(node.name, node.host, node.port, self._node_ports[node.port])
        try:
            async with self._running():
                yield self
        finally:
            if self._links is not None:
                self._links.close()

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        try:
            await self.start()
            yield
        finally:
            with trio.CancelScope(shield=True):
                if self.is_temporary:
                    self._kill_all()  # nothing of it is to last
                else:
                    await self.stop()
            if self.is_temporary:
                shutil.rmtree(self.data_dir, ignore_errors=True)

    def _kill_all(self) -> None:
        for node in self.nodes:
            if node.pid is not None:
                node.kill()
        for member in self.etcd:
            member.kill()

    async def _describe(self, topic: str) -> dict[int, tuple[int, int, int]]:
        """Leader, number of replicas in sync, and of replicas, of each partition."""
        async with self._admin() as admin:
            described = await admin.describe_topic(topic)
            return {p.index: (p.leader, len(p.isr), len(p.replicas)) for p in described.partitions}

    def _admin(self) -> Admin:
        from odradek.admin import Admin  # the nodes are starting long before it is needed

        up = [broker.address for broker in self.brokers if broker.pid is not None]
        return Admin(",".join(up or [self.bootstrap]), security=self.security)

    # ------------------------------------------------------------------------------------------------------ making

    def _ports(self, brokers: int, port: int) -> list[int]:
        """Of the brokers, and last of the controller: as they were, where the directory has been used before."""
        path = self.data_dir / CLUSTER_FILE
        known = json.loads(path.read_text()) if path.exists() else {}
        if known.get("brokers", 0) > brokers:
            raise ValueError(f"{self.data_dir} belongs to a cluster of {known['brokers']} brokers, not {brokers}")
        ports = [port + i for i in range(brokers)] if port else free_ports(brokers)
        ports += free_ports(1, ports)
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(json.dumps({**known, "brokers": brokers, "ports": ports[:-1]}) + "\n")
        return ports

    def _etcd_ports(self, members: int) -> list[tuple[int, int]]:
        """For clients and for each other. Several members know each other by them, so they stay as they were."""
        path = self.data_dir / CLUSTER_FILE
        known = json.loads(path.read_text())
        ports = known.get("etcd_ports", ())
        if len(ports) != 2 * members:
            ports = free_ports(2 * members)
            path.write_text(json.dumps({**known, "etcd_ports": ports}) + "\n")
        return list(zip(ports[::2], ports[1::2], strict=True))

    def _make_controller(self, port: int) -> Node:
        own = {"process.roles": "controller", "node.id": str(CONTROLLER_ID)}
        return self._make("controller", port, own)

    def _make_broker(self, number: int, port: int, quorum: list[str], *, decides: bool) -> Node:
        own = {
            "process.roles": "broker,controller" if decides else "broker",
            "node.id": str(number),
            "controller.quorum.bootstrap.servers": ",".join(quorum),
        }
        if decides and self.etcd:
            endpoints = ",".join(member.endpoint for member in self.etcd)
            own |= {"controller.journal": "etcd", "etcd.endpoints": endpoints, "etcd.prefix": ETCD_PREFIX}
        return self._make(f"broker-{number}", port, own)

    def _make(self, name: str, port: int, own: Mapping[str, str]) -> Node:
        directory = self.data_dir / name
        protocol = self.security.security_protocol
        listener = f"{protocol}://{self._host}:{self._node_ports.get(port, port)}"
        where = {"listeners": listener, "log.dir": str(directory)}
        if self._node_ports:
            where["advertised.listeners"] = f"{protocol}://{self._host}:{port}"
        return Node(name, directory, self._host, port, {**self._settings, **where, **own}, self._config)


def _etcd_members(data_dir: Path, ports: list[tuple[int, int]], security: Security) -> list[EtcdNode]:
    if len(ports) == 1:
        return [EtcdNode(data_dir / "etcd", *ports[0], security=security)]
    members = [
        EtcdNode(data_dir / f"etcd-{i}", *pair, name=f"etcd-{i}", security=security) for i, pair in enumerate(ports)
    ]
    for member in members:
        member.members = members
    return members


def _name(node: Node | str) -> str:
    return node if isinstance(node, str) else node.name


def _settings_for(brokers: int) -> dict[str, str]:
    """For experiments: replicated as far as there are brokers, and quick to notice what is wrong."""
    return {
        "default.replication.factor": str(min(3, brokers)),
        "min.insync.replicas": "2" if brokers >= 3 else "1",
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "group.initial.rebalance.delay.ms": "100",
    }
