"""The active controller's Trio side: one decision at a time, durable before it shows.

A decision is made on the image as it is; its records are appended to the journal and synced in a worker thread, and
only then replayed, handed to the broker in this process, told to those that follow, and answered. So an image never
holds what a crash could take back. Who is cancelled in the middle of it gets no answer, but the decision stands.

What grows with a request or with the cluster is not done on the loop: what an administrator asks for is decided by a
worker (an image never changes, so it may be read there), and so is the replaying of records. One such request is
decided at a time; the others queue for the lock, in order.

    broker.run
      ControllerRuntime.run    fences brokers that are silent
        a probe                of a broker whose connection has ended: a dead one is fenced at once
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import trio
from msgspec import Struct

from odradek.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest
from odradek.protocol.messages.alter_configs import AlterConfigsRequest
from odradek.protocol.messages.alter_partition import AlterPartitionRequest
from odradek.protocol.messages.alter_partition_reassignments import AlterPartitionReassignmentsRequest
from odradek.protocol.messages.alter_user_scram_credentials import AlterUserScramCredentialsRequest
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest
from odradek.protocol.messages.broker_registration import (
    BrokerRegistrationRequest,
    BrokerRegistrationResponse,
    Listener,
)
from odradek.protocol.messages.create_acls import CreateAclsRequest
from odradek.protocol.messages.create_partitions import CreatePartitionsRequest
from odradek.protocol.messages.create_topics import CreateTopicsRequest
from odradek.protocol.messages.delete_acls import DeleteAclsRequest
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest
from odradek.protocol.messages.elect_leaders import ElectLeadersRequest
from odradek.protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from odradek.protocol.messages.unregister_broker import UnregisterBrokerRequest
from odradek.protocol.messages.update_features import UpdateFeaturesRequest
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.acls import create_acls, delete_acls
from odradek_broker.controller.alter_partition import alter_partition
from odradek_broker.controller.configs import alter_configs, incremental_alter_configs
from odradek_broker.controller.create_partitions import create_partitions
from odradek_broker.controller.create_topics import create_topics
from odradek_broker.controller.delete_topics import delete_topics
from odradek_broker.controller.elections import elect_leaders, elect_preferred
from odradek_broker.controller.features import update_features
from odradek_broker.controller.frame import frame
from odradek_broker.controller.heartbeats import Heartbeats
from odradek_broker.controller.image import BrokerImage, Endpoint, MetadataImage
from odradek_broker.controller.journal import Journal, JournalDamaged
from odradek_broker.controller.membership import (
    bootstrap,
    fence_broker,
    register_broker,
    take_heartbeat,
    unfence_broker,
    unregister_broker,
)
from odradek_broker.controller.min_insync import one_truth, overruled
from odradek_broker.controller.producer_ids import allocate_producer_ids
from odradek_broker.controller.reassignments import alter_reassignments
from odradek_broker.controller.replay import replay
from odradek_broker.controller.replica_faults import RegistrationRequest, ReplicaFaultsRequest, take_replica_faults
from odradek_broker.controller.result import Result
from odradek_broker.controller.scram_users import alter_scram_users, first_users
from odradek_broker.controller.snapshot import records_of
from odradek_broker.controller.stamps import TERM_BYTES, Stamps
from odradek_broker.controller.tail import MetadataTail
from odradek_broker.log.failures import DiskFailed, LogFailed
from odradek_broker.metadata.client import CameLate, ControllerClient, JournalOver, JournalUnavailable
from odradek_broker.metadata.messages import FollowMetadataRequest, FollowMetadataResponse
from odradek_broker.ports.clock import Clock

if TYPE_CHECKING:
    from odradek_broker.ports.network import Network
    from odradek_broker.ports.workers import Workers

logger = logging.getLogger(__name__)

R = TypeVar("R")
A = TypeVar("A", bound=Struct)

OnImage = Callable[[MetadataImage, MetadataImage], None]
Decision = Callable[[MetadataImage, Any, int], Result[Any]]

LOOKS_PER_SESSION = 20
WITNESS_SESSIONS = 0.2
"""How long brokers have to say what they know, where the journal's end was left out. Who lives asks within a moment."""
SNAPSHOT_AGAIN_S = 30.0
"""How long after a snapshot that could not be written the next one is tried."""
PROBE_SECONDS = (0.0, 0.01, 0.03, 0.1, 0.3)
"""When a broker whose connection has ended is tried: a process that is being killed closes its sockets one by one."""
PROBE_TIMEOUT_SECONDS = 1.0


LONG = {
    AlterConfigsRequest,
    AlterPartitionReassignmentsRequest,
    CreateAclsRequest,
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DeleteAclsRequest,
    DeleteTopicsRequest,
    ElectLeadersRequest,
    IncrementalAlterConfigsRequest,
}
"""What clients ask for, as large as they like."""


class Arrived(NamedTuple):
    """How a request came over a connection."""

    stamp: bytes
    patience_ms: int


class ControllerRuntime(ControllerClient):
    """Decides for the whole cluster, for as long as it is the only one that may."""

    def __init__(
        self,
        journal: Journal,
        config: BrokerConfig,
        clock: Clock,
        random: Random,
        cluster_id: str,
        on_image: OnImage,
        workers: Workers,
        network: Network | None = None,
        *,
        may_decide: Callable[[], bool] = lambda: True,
        predecessor_ms: int = 0,
        has_rivals: bool = False,
    ) -> None:
        """`on_image` gets the old image and the new one before a decision is answered; it must not wait.

        Without a network there are no other brokers. With `has_rivals`, other processes may become controller, and
        `may_decide` says whether none of them can be active; for `predecessor_ms` from the start on the one before may
        still answer heartbeats in our place.
        """
        super().__init__(config)
        self._image = MetadataImage(cluster_id=cluster_id)
        self._journal = journal
        self._clock = clock
        self._random = random
        self._on_image = on_image
        self._workers = workers
        self._network = network
        self._lock = trio.Lock()
        self._tail = MetadataTail(0)
        self._news = trio.Event()
        self._heartbeats = Heartbeats(config.broker_session_timeout_ms)
        self._lost: list[BrokerImage] = []
        self._loss = trio.Event()
        self.is_stopping = False
        """Whoever follows is to look elsewhere."""
        self._has_right = may_decide
        self._predecessor_ms = predecessor_ms
        self._has_rivals = has_rivals
        self._journal_over = trio.Event()
        self._stamps = Stamps(random.randbytes(TERM_BYTES))
        self._lost_history = ""
        """Of what this controller has been told that it should know, where its journal is over for that."""
        self._snapshot_due = trio.Event()
        self._witnesses: set[int] = set()
        """Brokers that may know of decisions which are not in the journal, and have not been heard yet."""
        self._all_heard = trio.Event()
        self._hear_until = 0.0
        self._decisions: dict[type, Decision] = {
            AlterUserScramCredentialsRequest: lambda image, request, _: alter_scram_users(image, request),
            AllocateProducerIdsRequest: lambda image, request, _: allocate_producer_ids(image, request),
            AlterConfigsRequest: lambda image, request, _: alter_configs(image, request, config),
            AlterPartitionRequest: lambda image, request, _: alter_partition(image, request, config),
            AlterPartitionReassignmentsRequest: lambda image, request, _: alter_reassignments(image, request, config),
            BrokerHeartbeatRequest: lambda image, request, _: take_heartbeat(image, request, config),
            BrokerRegistrationRequest: lambda image, request, _: register_broker(image, request, config),
            CreateAclsRequest: lambda image, request, _: create_acls(image, request, random.randbytes),
            CreatePartitionsRequest: lambda image, request, _: create_partitions(image, request, config, random),
            CreateTopicsRequest: lambda image, request, _: create_topics(image, request, config, random),
            DeleteAclsRequest: lambda image, request, _: delete_acls(image, request),
            DeleteTopicsRequest: lambda image, request, version: delete_topics(image, request, config, version),
            ElectLeadersRequest: lambda image, request, _: elect_leaders(image, request, config),
            IncrementalAlterConfigsRequest: lambda image, request, _: incremental_alter_configs(image, request, config),
            RegistrationRequest: lambda image, request, _: register_broker(image, request, config),
            ReplicaFaultsRequest: lambda image, request, _: take_replica_faults(image, request, config),
            UpdateFeaturesRequest: lambda image, request, version: update_features(image, request, version),
            UnregisterBrokerRequest: lambda image, request, _: unregister_broker(image, request, config),
        }

    @property
    def image(self) -> MetadataImage:
        return self._image

    @property
    def metadata_epoch(self) -> int:
        return self._journal.history.epoch_of(self._image.offset)

    # --------------------------------------------------------------------------------------------------------- life

    def may_decide(self) -> bool:
        """Whether anything may be answered: no other process is active, and the journal is not over.

        A controller that could only answer heartbeats would keep leaders alive that it can never replace.
        """
        return self._has_right() and not self._journal_over.is_set()

    @property
    def has_lease(self) -> bool:
        return not self._journal_over.is_set()

    @property
    def lease_ms(self) -> int:
        """What to tell brokers of how long they may act as leaders."""
        return self._heartbeats.lease_ms

    async def start(self) -> None:
        """Replay the journal, or begin it, and complete it. `on_image` is not called.

        Raises OSError, ProtocolError; with rivals also ControllerUnavailable.
        """
        self._image = await self._workers.run(self._replay_journal)
        is_new = self._image.offset < 0
        records = [*bootstrap(), *first_users(self.static_config, self._random)] if is_new else []
        records += one_truth(self._image, self.static_config)
        if records:
            with self._beginning():
                self._image, _ = await self._write(self._image, records)
        self._tail = MetadataTail(self._image.offset + 1)
        self._heartbeats.heard_elsewhere(self._clock.monotonic_ms() + self._predecessor_ms)
        if self._journal.wants_snapshot:
            self._snapshot_due.set()
        if self._journal.torn is not None:
            self._call_witnesses(self._journal.torn)
        self._watch_everybody()
        if "broker" not in self.static_config.process_roles and (line := overruled(self._image, self.static_config)):
            logger.warning("%s", line)

    async def run(self) -> None:
        """Fence who is silent, until cancelled.

        Once nothing can be written any more, raises LogFailed where another process may take over, else DiskFailed;
        JournalDamaged where something is gone that had been decided.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._prefer_first_replicas)
            nursery.start_soon(self._write_snapshots)
            nursery.start_soon(self._end_with_journal)
            if self._network is not None:
                nursery.start_soon(self._probe_the_lost)
            await self._fence_the_silent()

    async def _probe_the_lost(self) -> None:
        """Those whose connection has ended; and at first everybody, for some may have died while nobody looked."""
        brokers = self._image.brokers.values()
        self._lost += [each for each in brokers if not each.fenced and each.broker_id != self.static_config.node_id]
        async with trio.open_nursery() as nursery:
            while True:
                while self._lost:
                    nursery.start_soon(self._probe, self._lost.pop())
                self._loss = trio.Event()
                await self._loss.wait()

    async def _fence_the_silent(self) -> None:
        session_ms = self.static_config.broker_session_timeout_ms
        looked_ms = self._clock.monotonic_ms()
        while True:
            await trio.sleep(session_ms / 1000 / LOOKS_PER_SESSION)
            now_ms = self._clock.monotonic_ms()
            if now_ms - looked_ms > session_ms / 2:
                # It is this process that has stood still: what brokers have sent meanwhile is still to be read.
                logger.warning("the controller has stood still for %d ms; nobody is fenced for it", now_ms - looked_ms)
                self._heartbeats.restart(now_ms)
            looked_ms = now_ms
            for broker_id, epoch in self._heartbeats.silent(now_ms):
                await self._fence(broker_id, epoch, "has not been heard of for a session", only_if_silent=True)

    async def _end_with_journal(self) -> None:
        await self._journal_over.wait()
        if self._has_rivals:
            raise LogFailed(self._lost_history or "the journal is over")
        if self._lost_history:
            raise JournalDamaged(self._lost_history)
        raise DiskFailed(
            "the controller cannot go on: nobody knows how much of the metadata is on the disk. "
            "It ends, and reads its journal anew when it is started again"
        )

    def stop(self) -> None:
        """Those that follow get an answer now, and no more. From now on nobody is fenced or elected of itself."""
        self.is_stopping = True
        self._news.set()

    async def leave(self) -> None:
        """It goes with its broker, so nobody could make others leaders."""
        await trio.lowlevel.checkpoint()

    def lead_no_more(self) -> None:
        """Nobody else can come to lead what its broker leads."""

    def close(self) -> None:
        self._journal.close()

    async def join(self, request: BrokerRegistrationRequest) -> BrokerRegistrationResponse:
        """Let the broker of this process in, in one step: its predecessor is gone for sure, and it follows us as we go.

        Raises OSError.
        """

        def decide(image: MetadataImage) -> Result[BrokerRegistrationResponse]:
            records = fence_broker(image, request.broker_id, self.static_config)
            image = replay(image, records)
            registered = register_broker(image, request, self.static_config)
            if registered.response.error_code:
                return registered
            records += registered.records
            image = replay(image, registered.records)
            return Result(
                [*records, *unfence_broker(image, request.broker_id, self.static_config)], registered.response
            )

        with self._beginning():
            response = await self._decide(decide)
        self._heartbeats.forget(request.broker_id, response.broker_epoch)
        self.broker_epoch = response.broker_epoch
        return response

    @contextlib.contextmanager
    def _beginning(self) -> Iterator[None]:
        """A controller that cannot write down even how it begins is none."""
        try:
            yield
        except JournalUnavailable as error:
            if self._has_rivals:
                raise
            raise DiskFailed(f"the controller cannot begin: {error}") from error

    # ---------------------------------------------------------------------------------------------------- requests

    def decides(self, kind: type) -> bool:
        """Whether requests of that kind are for a controller."""
        return kind in self._decisions

    def stamp(self) -> bytes:
        """To be given with every answer to what was forwarded."""
        return self._stamps.stamp(self._clock.monotonic_ms())

    async def ask(self, request: Any, answer: type[A], version: int, arrived: Arrived | None = None) -> A:
        """`arrived`: how it came, where it would do harm when it comes late. Raises CameLate for that."""
        decision: Decision = self._decisions[type(request)]

        def decide(image: MetadataImage) -> Result[Any]:
            self._refuse_late(arrived)
            if isinstance(request, BrokerHeartbeatRequest):
                # Once more: while it waited for its turn that life may have been fenced, and forgotten.
                self._hear(request)
            return decision(image, request, version)

        self._refuse_late(arrived)
        if isinstance(request, BrokerHeartbeatRequest):
            self._hear(request)
        if isinstance(request, BrokerRegistrationRequest):
            await self._fence_predecessor(request)
        response: A = await self._decide(decide, is_long=type(request) in LONG)
        assert isinstance(response, answer)
        if isinstance(response, BrokerRegistrationResponse) and not response.error_code:
            self._heartbeats.heard(request.broker_id, response.broker_epoch, self._clock.monotonic_ms())
        return response

    async def follow(self, request: FollowMetadataRequest) -> FollowMetadataResponse:
        """The metadata from an offset on, once there is some, or the time is over.

        Only true if `may_decide` afterwards: the broker may have been told what is not in the journal any more.
        """
        self._take_evidence(request)
        with trio.move_on_after(max(request.max_wait_ms, 0) / 1000):
            while self._image.offset < request.next_offset and not self.is_stopping:
                await self._news.wait()
        image = self._image
        frames = self._tail.since(request.next_offset)
        is_snapshot = frames is None
        if frames is None:
            frames = [frame(record) for record in records_of(image)]
        return FollowMetadataResponse(
            cluster_id=image.cluster_id,
            controller_id=self.static_config.node_id,
            has_rivals=self._has_rivals,
            is_snapshot=is_snapshot,
            last_offset=image.offset,
            records=frames,
            epoch=self._journal.history.epoch_of(image.offset),
        )

    def _call_witnesses(self, torn: str) -> None:
        """The journal's end was left out. Who was told of it is to say so before anything is written in its place."""
        logger.warning("the last decision is not whole, and left out: %s. Nobody was told of it, if it is torn", torn)
        brokers = [each for each in self._image.brokers.values() if not each.fenced]
        self._witnesses = {each.broker_id for each in brokers} - {self.static_config.node_id}
        session_s = self.static_config.broker_session_timeout_ms / 1000
        self._hear_until = trio.current_time() + WITNESS_SESSIONS * session_s

    async def _hear_witnesses(self) -> None:
        """Before a decision: until all are heard, or have had their time."""
        with trio.move_on_at(self._hear_until):
            await self._all_heard.wait()
        self._witnesses.clear()

    def _take_evidence(self, request: FollowMetadataRequest) -> None:
        """A broker is told what is durable. If it has been told more than there is, then the journal has lost its end,
        or another controller has taken over: either way we must not go on.
        """
        if request.cluster_id != self._image.cluster_id or request.seen_offset < 0:
            return
        if not self._journal.history.has(request.seen_offset, request.seen_epoch, self._image.offset + 1):
            advice = "Brokers that run still know: odradek metadata restore"
            if self._has_rivals:
                advice = "Another controller has taken over; or else etcd was set back, and has to be brought forward"
            self._lost_history = (
                f"the journal of the metadata has lost what it had acknowledged: it ends at {self._image.offset}, "
                f"but broker {request.broker_id} knows of offset {request.seen_offset}, epoch {request.seen_epoch}. "
                f"Nothing is decided without that. {advice}"
            )
            self._journal_over.set()
        self._witnesses.discard(request.broker_id)
        if not self._witnesses:
            self._all_heard.set()

    def _refuse_late(self, arrived: Arrived | None) -> None:
        if arrived is not None and not self._stamps.is_good(*arrived, self._clock.monotonic_ms()):
            raise CameLate("it has been on its way for too long")

    def connection_lost(self, broker_id: int, epoch: int) -> None:
        """The connection over which a broker sent heartbeats has ended: see whether the broker has, too."""
        broker = self._image.brokers.get(broker_id)
        if broker is not None and broker.epoch == epoch and not broker.fenced:
            self._heartbeats.lost(broker_id, epoch)
            self._lost.append(broker)
            self._loss.set()

    def _hear(self, request: BrokerHeartbeatRequest) -> None:
        broker = self._image.brokers.get(request.broker_id)
        if broker is not None and broker.epoch == request.broker_epoch:
            self._heartbeats.heard(broker.broker_id, broker.epoch, self._clock.monotonic_ms())

    def _watch_everybody(self) -> None:
        active = [broker for broker in self._image.brokers.values() if not broker.fenced]
        self._heartbeats.watch([(broker.broker_id, broker.epoch) for broker in active], self._clock.monotonic_ms())

    # ------------------------------------------------------------------------------------------------------ fencing

    async def _fence_predecessor(self, request: BrokerRegistrationRequest) -> None:
        """Its connection has ended, and another process has its directory: it is gone.

        The probe cannot see that, where the new process has opened the port by then. Where it is on another port, the
        old one has to refuse: a directory may have been copied.
        """
        broker = self._image.brokers.get(request.broker_id)
        if (
            broker is not None
            and not broker.fenced
            and broker.incarnation_id != request.incarnation_id
            and broker.log_dirs == tuple(request.log_dirs)
            and self._heartbeats.is_lost(broker.broker_id, broker.epoch)
            and (_addresses(broker.endpoints) == _addresses(request.listeners) or await self._is_refused(broker))
        ):
            await self._fence(broker.broker_id, broker.epoch, "has been started again")

    async def _probe(self, broker: BrokerImage) -> None:
        for pause_s in PROBE_SECONDS:
            await trio.sleep(pause_s)
            if self._image.brokers.get(broker.broker_id) != broker:
                return
            if await self._is_refused(broker):
                await self._fence(broker.broker_id, broker.epoch, "is gone: its port refuses connections")
                return

    async def _is_refused(self, broker: BrokerImage) -> bool:
        assert self._network is not None
        address = broker.address(self.static_config.inter_broker_listener)
        try:
            with trio.move_on_after(PROBE_TIMEOUT_SECONDS):
                if address is not None:
                    (await self._network.connect(*address)).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False  # unreachable, which may be our own fault: its session will tell
        return False

    async def _fence(self, broker_id: int, epoch: int, why: str, *, only_if_silent: bool = False) -> None:
        """That life of it; with `only_if_silent` only where it has not been heard of even now that we may decide.

        Nobody, once this process stops: its own port is closed, which tells brokers that their leases go on.
        """

        def is_over(image: MetadataImage) -> bool:
            broker = image.brokers.get(broker_id)
            return broker is None or broker.epoch != epoch or broker.fenced

        def decide(image: MetadataImage) -> Result[bool]:
            now_ms = self._clock.monotonic_ms()
            was_heard = only_if_silent and not self._heartbeats.is_silent(broker_id, epoch, now_ms)
            if self.is_stopping or is_over(image) or was_heard:
                return Result([], False)
            return Result(fence_broker(image, broker_id, self.static_config), True)

        try:
            if await self._decide(decide):
                logger.warning("broker %d %s; others lead its partitions", broker_id, why)
        except JournalUnavailable:
            return  # tried again at the next look
        if is_over(self._image):
            self._heartbeats.forget(broker_id, epoch)

    async def _prefer_first_replicas(self) -> None:
        while True:
            await trio.sleep(self.static_config.leader_imbalance_check_interval_seconds)
            if self.static_config.auto_leader_rebalance_enable and not self.is_stopping:
                try:
                    prefer: Callable[[MetadataImage], Result[None]]
                    prefer = lambda image: Result(elect_preferred(image, self.static_config), None)  # noqa: E731
                    await self._decide(prefer, is_long=True)
                except JournalUnavailable:
                    pass  # there will be another time

    # ------------------------------------------------------------------------------------------------------ deciding

    async def _decide(self, decision: Callable[[MetadataImage], Result[R]], *, is_long: bool = False) -> R:
        """`is_long`: the decision takes a while, and a worker is to make it."""
        if self._witnesses:
            await self._hear_witnesses()
        async with self._lock:
            decide = partial(decision, self._image)
            result = await self._workers.run(decide) if is_long else decide()
            if result.records:
                old = self._image
                self._image, frames = await self._write(old, result.records)
                self._tail.add(old.offset + 1, frames)
                self._on_image(old, self._image)
                self._news.set()
                self._news = trio.Event()
                if self._journal.wants_snapshot:
                    self._snapshot_due.set()
            return result.response

    async def _write_snapshots(self) -> None:
        """Whenever one is due. Decisions wait for its beginning and its end only, which are short."""
        while True:
            await self._snapshot_due.wait()
            self._snapshot_due = trio.Event()
            if not self._journal.wants_snapshot:
                continue
            try:
                async with self._lock:
                    if self._journal_over.is_set():
                        return  # it may have more in it than the image
                    write = await self._workers.run(partial(self._journal.begin_snapshot, self._image))
                await self._workers.run(write)
                async with self._lock:
                    await self._workers.run(self._journal.end_snapshot)
            except (OSError, LogFailed) as error:
                logger.error("cannot write a snapshot of the metadata: %s", error)
                if isinstance(error, LogFailed):
                    self._journal_over.set()
                await trio.sleep(SNAPSHOT_AGAIN_S)

    async def _write(self, image: MetadataImage, records: list[Struct]) -> tuple[MetadataImage, list[bytes]]:
        """The image with these records, and the records as followers are told them, once they are durable.

        They are replayed first: what does not fit would end every controller that reads the journal from then on.
        """
        if self._journal_over.is_set():
            raise JournalOver("the journal is over")
        now_ms = self._clock.now_ms()

        def write() -> tuple[MetadataImage, list[bytes]]:
            new, frames = replay(image, records), [frame(record) for record in records]
            last_offset = self._journal.append(records, now_ms)
            assert new.offset == last_offset
            return new, frames

        try:
            return await self._workers.run(write)
        except (OSError, LogFailed) as error:
            logger.error("cannot write %d metadata records: %s", len(records), error)
            if isinstance(error, LogFailed):
                self._journal_over.set()
                raise JournalOver(str(error)) from error
            raise JournalUnavailable(str(error)) from error

    def _replay_journal(self) -> MetadataImage:
        image = self._image
        for entry in self._journal.replay():
            image = replay(image, entry.records, entry.last_offset)
        return image


def _addresses(listeners: Iterable[Endpoint | Listener]) -> set[tuple[str, int]]:
    return {(each.host, each.port) for each in listeners}
