"""A cluster of whole brokers in one process and in virtual time: the broker's own code on simulated ports."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from random import Random

import trio
from coordinator_watch import watch_everything
from core_watch import take_violation
from deterministic_trio import Process
from fault_atlas import FaultAtlas
from invariants import Invariants, Violated, told
from several_controllers import Controllers
from sim_clock import SimClock
from sim_disk import SimDisk, SimMount
from sim_etcd import SimEtcd, SimGateway
from sim_network import LONGEST_S, SimNetwork
from sim_workers import SYNC_S, SimWorkers, WaitingWorkers
from watching import take_changed

from odradek.network import Surroundings
from odradek_broker.config import load_broker_config
from odradek_broker.controller.image import PartitionImage
from odradek_broker.controller.journal import JournalDamaged
from odradek_broker.log.failures import DiskFailed
from odradek_broker.metadata.active import ControllerRuntime
from odradek_broker.node.broker import Broker
from odradek_broker.node.node import Node
from odradek_broker.server.server import Server

PORT = 9092
CONTROLLER = "controller"
READY_WITHIN_S = 90.0
START_AGAIN_S = 0.2
SESSION_S = 3
SNAPSHOT_BYTES = 2000
LAG_S = 2
"""Then a follower is no longer in sync."""
MOST_EVENTS = 4_000_000
"""A run of some seconds has a hundred thousand."""
LAST_EVENTS = 60
"""What a story of a run tells."""


class SimNode:
    """A machine: a disk that stays, and a process that comes and goes."""

    def __init__(self, world: World, name: str, settings: dict[str, str]) -> None:
        self.world = world
        self.name = name
        self.disk = SimDisk(Random(world.random.getrandbits(64)), trio.current_time)
        self.clock = SimClock()
        self._node: Node | None = None
        self.is_spare = False
        """It is not part of the cluster, or not yet."""
        self._settings = settings
        self._gateway: SimGateway | None = None
        self._server: Server | None = None
        self._scope: trio.CancelScope | None = None
        self._process = Process()
        self._ended = trio.Event()
        self._is_starting = False

    @property
    def is_up(self) -> bool:
        return self._scope is not None

    @property
    def is_ready(self) -> bool:
        """Its start has succeeded, and it is up."""
        return self._server is not None and self._server.is_ready

    @property
    def broker(self) -> Broker | None:
        """From the opening of its data directory on, while it is up."""
        return None if self._node is None else self._node.broker

    @property
    def active_controller(self) -> ControllerRuntime | None:
        """The one in its process, while it may decide."""
        return None if self._node is None else self._node.seat.controller

    @property
    def is_broker(self) -> bool:
        return self in self.world.brokers

    async def start(self) -> None:
        """Return when it is ready; where its disk refuses it tries again. Nothing, where it is up or on its way."""
        if self._server is not None and self._server.is_stopping:
            await self._ended.wait()
        if self.is_up or self._is_starting:
            return
        self._is_starting = True
        try:
            while not self.is_up:
                self.world.network.machine_is_back(self.name)
                if not await self.world.nursery.start(self._run):
                    await trio.sleep(START_AGAIN_S)
        finally:
            self._is_starting = False

    async def _run(self, task_status: trio.TaskStatus[bool] = trio.TASK_STATUS_IGNORED) -> None:
        random = Random(self.world.random.getrandbits(64))
        where = {"log.dir": "/data", "listeners": f"{self.name}:{PORT}", "allow.unsecured.listeners": "true"}
        config = load_broker_config(None, {}, where | self._settings)
        network = self.world.network.port(self.name)
        gateway = self._gateway = SimGateway(network)
        kind = SimWorkers if self.world.etcd is None else WaitingWorkers
        is_ready, ended = False, trio.Event()
        self._process = Process()
        self._process.enter()
        with trio.CancelScope() as scope:
            self._scope, self._ended = scope, ended
            try:
                async with trio.open_nursery() as workers:
                    node = self._node = Node(
                        config.config,
                        disk=SimMount(self.disk),
                        clock=self.clock,
                        random=random,
                        network=network,
                        make_workers=lambda: kind(workers, random, longest_sync_s=self.world.longest_sync_s),
                        make_gateway=lambda config: gateway,
                    )
                    server = self._server = Server(node, network, self.clock)
                    async with trio.open_nursery() as nursery:
                        await nursery.start(server.run)
                        is_ready = True
                        task_status.started(True)
            except* (DiskFailed, JournalDamaged, OSError):
                if self._scope is scope:  # else it was killed, and another may listen where it did
                    self.world.network.process_dies(self.name)
                    if is_ready and self.world.is_supervised:
                        self.world.ended_by_themselves[self.name] += 1
                        self.world.nursery.start_soon(self._start_later)
            finally:
                ended.set()
                if self._scope is scope:  # it has ended by itself, or who waited for its start has been cancelled
                    self.disk.die()
                    self._scope = self._node = self._server = None
        if not is_ready:
            await trio.lowlevel.checkpoint_if_cancelled()  # when the whole world ends nobody wants to know
            task_status.started(False)

    async def _start_later(self) -> None:
        """As a supervisor does with a process that has ended by itself; somebody else may have been faster."""
        await trio.sleep(START_AGAIN_S)
        if not self.is_spare:
            await self.start()

    def kill(self, *, power: bool = False, silently: bool = False) -> None:
        """SIGKILL. With `power` what was not synced is lost, as far as chance has it; `silently` nobody hears of it."""
        if self._scope is None:
            return
        # First nothing has an effect any more, then the code that cleans up may run.
        if self._gateway is not None:
            self._gateway.die()
        if power:
            self.disk.lose_power()
            if self.is_broker and not self.world.syncs:
                self.world.invariants.lost(self.world.brokers.index(self))
        else:
            self.disk.die()
        self._scope.cancel()
        if silently:
            self.world.network.machine_dies(self.name)
        else:
            self.world.network.process_dies(self.name)
        self._process.resume()
        self._scope = self._node = self._server = None

    def pause(self) -> None:
        """SIGSTOP: nothing of it runs, its sockets stay open, its timers fire late."""
        if self._scope is not None:
            self._process.stop()

    def resume(self) -> None:
        """SIGCONT. Nothing, where it runs."""
        self._process.resume()

    def wipe(self) -> None:
        self.disk.wipe()
        self.world.invariants.lost(self.world.brokers.index(self))

    async def stop(self) -> None:
        """SIGTERM; return when it has ended."""
        if self._server is None or self._scope is None or self._server.is_stopping:
            return
        server, scope, ended = self._server, self._scope, self._ended
        if server.is_ready:
            self._process.start_soon(self.world.nursery, server.stop)
        else:
            scope.cancel()
        await ended.wait()


class World:
    """Everything, out of one seed."""

    def __init__(
        self,
        nursery: trio.Nursery,
        seed: int,
        brokers: int = 3,
        *,
        watched: bool = True,
        etcds: int = 0,
        controllers: int = 1,
        combined: bool = False,
        spares: int = 0,
        is_supervised: bool = False,
        allows_unclean: bool = False,
        longest_sync_s: float = SYNC_S,
        longest_hop_s: float = LONGEST_S,
        most_bytes: int | None = None,
        **settings: str,
    ) -> None:
        """`settings`: Kafka's, with underscores for dots. Not `watched` where records may be lost by settings.

        With `etcds` there is an etcd of so many members, and so many `controllers` that may be the active one; where
        they are `combined`, they are the first brokers. `spares`: brokers besides, which nobody has started yet.
        Where it `is_supervised`, whoever ends by itself is started again.
        """
        self.seed = seed
        self.random = Random(seed)
        self.nursery = nursery
        self.network = SimNetwork(
            nursery, Random(self.random.getrandbits(64)), longest_s=longest_hop_s, most_bytes=most_bytes
        )
        self.longest_sync_s = longest_sync_s
        self.invariants = Invariants(allows_unclean=allows_unclean)
        self.is_supervised = is_supervised
        self.ended_by_themselves: Counter[str] = Counter()
        self.violation: str | None = None
        self.story: deque[str] = deque(maxlen=LAST_EVENTS)
        self.events = 0
        self._trace = hashlib.sha256()
        shared = {
            "default.replication.factor": "3",
            "min.insync.replicas": "2",
            "broker.session.timeout.ms": str(SESSION_S * 1000),
            "broker.heartbeat.interval.ms": "500",
            "replica.lag.time.max.ms": str(LAG_S * 1000),
            "offsets.topic.num.partitions": "1",
            "metadata.log.max.record.bytes.between.snapshots": str(SNAPSHOT_BYTES),
            **{name.replace("_", "."): value for name, value in settings.items()},
        }
        self.syncs = shared.get("log.flush.policy") != "interval"
        self.session_s = int(shared["broker.session.timeout.ms"]) / 1000
        self.lag_s = int(shared["replica.lag.time.max.ms"]) / 1000
        self.etcd: SimEtcd | None = None
        names = ["broker-0" if combined else CONTROLLER]
        if etcds:
            self.etcd = SimEtcd(nursery, self.network, Random(self.random.getrandbits(64)), etcds)
            names = [f"{'broker' if combined else CONTROLLER}-{number}" for number in range(controllers)]
            shared |= {"etcd.endpoints": ",".join(self.etcd.endpoints)}
            self._candidates = Controllers(self.etcd, self.invariants)
        quorum = {"controller.quorum.bootstrap.servers": ",".join(f"{name}:{PORT}" for name in names)}
        decides = {"process.roles": "controller"} | ({"controller.journal": "etcd", **quorum} if etcds else {})
        both = decides | {"process.roles": "controller,broker"}
        follows = {"process.roles": "broker", **quorum}
        self.brokers: list[SimNode] = []
        for number in range(brokers + spares):
            roles = both if combined and number < controllers else follows
            node = SimNode(self, f"broker-{number}", {**shared, **roles, "node.id": str(number)})
            node.is_spare = number >= brokers
            self.brokers.append(node)
        self.atlas = FaultAtlas(Random(f"atlas {seed}"), [node.name for node in self.brokers])
        self.controllers = self.brokers[:controllers]
        """Those that may decide."""
        if not combined:
            nodes = {name: {"node.id": str(100 + number)} for number, name in enumerate(names)}
            self.controllers = [SimNode(self, name, {**shared, **decides, **own}) for name, own in nodes.items()]
        self._controller = self.controllers[0]
        take_changed()  # those of another world
        watch_everything()
        if watched:
            trio.lowlevel.add_instrument(_Onlooker(self))

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{broker.name}:{PORT}" for broker in self.brokers)

    @property
    def nodes(self) -> list[SimNode]:
        """Those that are part of the cluster."""
        return list(dict.fromkeys([*self.controllers, *self.members]))

    @property
    def members(self) -> list[SimNode]:
        """The brokers that are part of the cluster."""
        return [broker for broker in self.brokers if not broker.is_spare]

    @property
    def controller(self) -> SimNode:
        """Who decides; while nobody does, whoever did."""
        for node in self.controllers:
            active = node.active_controller
            newest = self.invariants.decided.offset
            if active is not None and active.may_decide() and active.image.offset >= newest:
                self._controller = node
        return self._controller

    def client(self) -> Surroundings:
        random = Random(self.random.getrandbits(64))
        return Surroundings(
            network=self.network.port("client"),
            now_ms=SimClock().now_ms,
            random=random,
            secret_bytes=random.randbytes,
        )

    async def start(self) -> None:
        """Start every node that is down, or is about to be: who stops has not, until it has ended."""
        if self.etcd is not None:
            await self.etcd.start()
        with trio.fail_after(READY_WITHIN_S):
            async with trio.open_nursery() as nursery:
                for node in self.nodes:
                    nursery.start_soon(node.start)

    def look(self) -> None:
        """After every event: does everything hold that must? The first violation ends the run."""
        if self.violation is not None:
            return
        self.events += 1
        try:
            if self.events > MOST_EVENTS:
                raise Violated("there is no end to it")
            if (violation := take_violation()) is not None:
                raise violation
            active = [node.active_controller for node in self.controllers]
            if self.etcd is not None:
                self._candidates.look([each for each in active if each is not None], trio.current_time())
            elif active and (controller := active[0]) is not None:
                self.invariants.look_at_controller(controller.image, controller._decider.journal._log.flushed_offset)  # type: ignore[attr-defined]
            for number, node in enumerate(self.brokers):
                if node.broker is not None:
                    self.invariants.look_at_image(number, node.broker.image)
                    if not self._seems_dead(node):
                        self.invariants.look_at_lease(number, node.broker)
            for partition in take_changed():
                node = self.brokers[partition._node_id]
                broker = node.broker
                if broker is not None and broker.partitions.get((partition.topic, partition.index)) is partition:
                    self.invariants.look_at_partition(partition._node_id, node.disk, partition, syncs=self.syncs)
        except Exception as error:  # a defect of ours too: Trio would log it, and from then on nobody would look
            self.violated(error)

    def _seems_dead(self, node: SimNode) -> bool:
        """To a controller, as its port refuses: by a rule, or because it stops, and has handed over what it can."""
        is_stopping = node._server is not None and node._server.is_stopping
        return is_stopping or any(self.network.was_refused(each.name, node.name) for each in self.controllers)

    def violated(self, error: Exception) -> None:
        story = str(error) if isinstance(error, Violated) else repr(error)
        self.violation = self.violation or f"{story} at {trio.current_time():.6f} s"
        self.nursery.cancel_scope.cancel()

    @property
    def is_all_in_sync(self) -> bool:
        """Each partition has a leader, no reassignment is under way, and all its replicas are in sync."""
        return not self.out_of_sync

    @property
    def out_of_sync(self) -> list[str]:
        """The partitions that are not so, as they are."""
        return [
            f"{topic.name}-{index}: {told(each)}"
            for topic in self.invariants.decided.topics.values()
            for index, each in topic.partitions.items()
            if each.leader < 0 or each.is_reassigning or len(each.isr) < len(each.replicas)
        ]

    @property
    def is_being_refilled(self) -> bool:
        """Whether a disk was lost, and some log of it has not been filled again."""
        for (node_id, (topic_id, index)), view in self.invariants.replicas.items():
            topic = self.invariants.decided.topic_by_id(topic_id)
            known = None if topic is None else topic.partitions.get(index)
            if view.is_lost and known is not None and node_id in known.replicas:
                return True
        return False

    @property
    def happened(self) -> Counter[str]:
        """What the machines did of themselves, by kind."""
        found = Counter(self.invariants.happened)
        for node in self.brokers:
            found += node.disk.replaced
        found["started again by a supervisor"] += self.ended_by_themselves.total()
        return found

    def note(self, what: str) -> None:
        """Into the trace, by which two runs of a seed are compared, and into the story of the run."""
        self._trace.update(f"{trio.current_time():.9f} {what}\n".encode())
        self.story.append(f"{trio.current_time():10.6f} s  {what}")

    @property
    def trace(self) -> str:
        return self._trace.hexdigest()[:16]

    def decided(self, topic: str, index: int = 0) -> PartitionImage | None:
        """What the controller knows of a partition; None while it is down."""
        controller = self.controller.broker
        if self.etcd is not None:
            active = self.controller.active_controller
            return None if active is None else active.image.partition(topic, index)
        return None if controller is None else controller.image.partition(topic, index)

    def leader(self, topic: str, index: int = 0) -> SimNode | None:
        """Who leads a partition, as the controller has it; None while nobody does or the controller is down."""
        partition = self.decided(topic, index)
        return None if partition is None or partition.leader < 0 else self.brokers[partition.leader]


class _Onlooker(trio.abc.Instrument):
    """An error that an instrument raises would be logged and forgotten, so the world takes it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        SimDisk.is_spared = True
        try:
            self._world.look()
        finally:
            SimDisk.is_spared = False
