"""A node of a cluster: a broker with its data directory and partitions, a controller, or both in one process.

combined, the default     decides for itself, and for brokers that name it as their controller
process.roles=broker      follows a controller elsewhere (controller.quorum.bootstrap.servers)
process.roles=controller  keeps the metadata and no partitions; it is never registered as a broker
"""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.broker_registration import Listener
from odradek_broker.config.effective import TopicConfigs
from odradek_broker.controller.delta import delta
from odradek_broker.controller.effective import broker_config, newly_inert, topic_configs
from odradek_broker.controller.file_journal import FileJournal
from odradek_broker.controller.image import Endpoint, MetadataImage
from odradek_broker.controller.min_insync import overruled
from odradek_broker.controller.replica_faults import RegistrationRequest
from odradek_broker.coordinators.groups import GroupsRuntime
from odradek_broker.coordinators.transactions import TransactionsRuntime
from odradek_broker.election.candidate import Candidate, CannotLead, Leader, Term
from odradek_broker.election.etcd import Etcd
from odradek_broker.election.gateway import Gateway, HttpGateway
from odradek_broker.log.checkpoints import decode_properties
from odradek_broker.log.directory import META_PROPERTIES, LogDirectory
from odradek_broker.log.failures import LogFailed
from odradek_broker.log.offset_checkpoints import NAMES
from odradek_broker.log.strays import find_strays
from odradek_broker.loop.looks import Looks
from odradek_broker.metadata.active import ControllerRuntime
from odradek_broker.metadata.client import ControllerClient, ControllerUnavailable
from odradek_broker.metadata.follow import RemoteController
from odradek_broker.metadata.note import MetadataNote
from odradek_broker.metadata.reachability import Reachability
from odradek_broker.metadata.recent_deletions import RecentDeletions
from odradek_broker.node.housekeeping import Housekeeping
from odradek_broker.partitions.checkpoints import Checkpoints
from odradek_broker.partitions.fetch_sessions import FetchSessions
from odradek_broker.partitions.flusher import Flusher
from odradek_broker.partitions.isr_changes import IsrChanges
from odradek_broker.partitions.partition import Partition
from odradek_broker.partitions.partitions import Partitions, log_config
from odradek_broker.partitions.replica_fetcher import ReplicaFetchers
from odradek_broker.partitions.replica_logs import ReplicaLogs
from odradek_broker.ports.steady_time import SteadyClock
from odradek_broker.ports.workers import ThreadWorkers
from odradek_broker.replication.throttle import Throttle

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.disk import Disk
    from odradek_broker.ports.network import Network
    from odradek_broker.ports.workers import Workers

logger = logging.getLogger(__name__)

FLUSH_THREADS = 8


class Broker:
    """Made before anything is opened; `run` opens, serves and closes."""

    def __init__(
        self,
        config: BrokerConfig,
        *,
        disk: Disk,
        clock: Clock,
        random: Random,
        network: Network,
        make_workers: Callable[[], Workers] = lambda: ThreadWorkers(FLUSH_THREADS),
        make_gateway: Callable[[], Gateway] = HttpGateway,
    ) -> None:
        self.config = config
        """With its dynamic changes; the one at the start is the controller's `static_config`."""
        self.disk = disk
        self.clock = clock
        self.steady_clock = SteadyClock(clock)
        """By which records, offsets and producers are too old."""
        self.random = random
        self.network = network
        self.node_id = config.node_id
        self.is_broker = "broker" in config.process_roles
        self.partitions = Partitions(self)
        self.replica_logs = ReplicaLogs(self)
        self.fetch_sessions = FetchSessions(
            config.max_incremental_fetch_session_cache_slots,
            config.max_incremental_fetch_session_cache_partitions,
            random,
        )
        self.workers: Workers
        self.looks: Looks
        self.directory: LogDirectory
        self.controller: ControllerClient
        """Whom to ask for decisions."""
        self.active_controller: ControllerRuntime | None = None
        """The one in this process, while it may decide."""
        self.flusher: Flusher
        self.checkpoints = Checkpoints(self)
        self.groups = GroupsRuntime(self)
        self.transactions = TransactionsRuntime(self)
        self.isr_changes = IsrChanges(self)
        self._metadata_note = MetadataNote(self)
        self.fetchers = ReplicaFetchers(self)
        self.reachability = Reachability(clock)
        self.recent_deletions = RecentDeletions(clock)
        self.leader_throttle, self.follower_throttle = Throttle(), Throttle()
        self.is_stopping = False
        self._running = False
        self._make_workers = make_workers
        self._make_gateway = make_gateway

    @property
    def image(self) -> MetadataImage:
        return self._image

    _image = MetadataImage(cluster_id="")

    @property
    def cluster_id(self) -> str:
        return self.directory.cluster_id

    def partition(self, topic: str, index: int, *, follower_too: bool = False) -> Partition | ErrorCode:
        """The partition, where this broker leads it; with `follower_too` also where it follows."""
        found = self.partitions.get((topic, index))
        if found is not None:
            may_answer = self.controller.has_lease and (follower_too or found.leadership is not None)
            return found if may_answer else ErrorCode.NOT_LEADER_OR_FOLLOWER
        known = self._image.topics.get(topic)
        if known is None or index not in known.partitions:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if known.partitions[index].leader != self.node_id or self.replica_logs.is_opening((topic, index)):
            return ErrorCode.NOT_LEADER_OR_FOLLOWER  # on which clients ask again
        return ErrorCode.KAFKA_STORAGE_ERROR

    def others_have(self, partition: Partition) -> bool:
        """Whether another broker that is up may lead it without a loss."""
        image = self._image.partition(partition.topic, partition.index)
        others = () if image is None else {*image.isr, *image.elr} - {self.node_id}
        known = (self._image.brokers.get(replica) for replica in others)
        return any(broker is not None and broker.is_active for broker in known)

    def topic_name(self, topic_id: bytes) -> str | None:
        return self._image.topic_names.get(topic_id)

    # --------------------------------------------------------------------------------------------------------- life

    async def run(
        self, endpoints: tuple[Endpoint, ...] = (), task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until cancelled, then leave a directory that the next start need not recover.

        Raises OSError, AlreadyLocked, InconsistentDirectory, NotAdmitted.
        """
        async with trio.open_nursery() as candidates:
            remote = self._remote_controller()
            cluster_id = ""
            if self._is_candidate:
                cluster_id = await self._stand_as_candidate(candidates, endpoints)
            elif remote is not None:
                cluster_id = (await remote.first_image()).cluster_id
            await self._run(cluster_id, remote, endpoints, task_status)

    async def _run(
        self,
        cluster_id: str,
        remote: RemoteController | None,
        endpoints: tuple[Endpoint, ...],
        task_status: trio.TaskStatus[None],
    ) -> None:
        self.directory = self._open_directory(cluster_id)
        for line in self.directory.what_damage_means():
            logger.error("%s", line)
        if remote is not None:
            remote.seen = self.directory.seen_metadata
        self.workers = self._make_workers()
        self.looks = Looks(self.workers)
        self.flusher = Flusher(
            self.workers, sync=self.config.log_flush_policy == "sync", doubt_caches=self.directory.doubt_caches
        )
        try:
            async with trio.open_nursery() as nursery:
                for path in self.directory.deleted_directories():
                    self.directory.remove_directory(path)
                if remote is None:
                    await self._start_controller(nursery, endpoints)
                elif self.is_broker:
                    await self._join(nursery, remote, endpoints)
                self.partitions.set_aside_strays(self._image)
                nursery.start_soon(self._tell_of_strays)
                nursery.start_soon(self.replica_logs.run)
                await nursery.start(self.groups.run)
                await nursery.start(self.transactions.run)
                nursery.start_soon(Housekeeping(self).run)
                nursery.start_soon(self.isr_changes.run)
                nursery.start_soon(self._metadata_note.run)
                self._running = True
                task_status.started()
                await trio.sleep_forever()
        finally:
            if remote is not None:
                remote.disconnect()
            with trio.CancelScope(shield=True):
                await self.flusher.wait_idle()
                await self.workers.run(self._close)
                self.workers.close()

    async def hand_over(self) -> None:
        """Before a stop: let others lead what we lead. Returns when that is done; may take for ever.

        Whatever came of it, this broker leads nothing afterwards: once its port is closed it is taken to be dead.
        """
        if isinstance(self.controller, RemoteController):
            try:
                if self.config.controlled_shutdown_enable:
                    await self.controller.leave()
            finally:
                self.controller.lead_no_more()

    def end_waits(self) -> None:
        """Before a stop: whoever waits for records, metadata or a group, gets an answer now."""
        self.is_stopping = True
        self.groups.close()
        self.transactions.close()
        if self.active_controller is not None:
            self.active_controller.stop()
        for partition in self.partitions.values():
            partition.wake_everybody()

    async def _tell_of_strays(self) -> None:
        path = self.directory.path
        try:
            strays = await self.workers.run(partial(find_strays, self.disk, path))
        except OSError as error:
            logger.error("cannot look for what was set aside: %s", error)
            return
        if strays:
            size_bytes = sum(stray.size_bytes for stray in strays)
            logger.warning(
                "%d directories in %s were set aside, with %d bytes; `odradek log strays --data-dir %s` lists them, and"
                " with --remove frees their space",
                *(len(strays), path, size_bytes, path),
            )

    def _open_directory(self, cluster_id: str) -> LogDirectory:
        path = self.config.data_directory
        meta = os.path.join(path, META_PROPERTIES)
        is_new = not self.disk.exists(meta)
        known = {} if is_new else decode_properties(self.disk.read_file(meta))
        cluster_id = cluster_id or (_new_cluster_id(self.random) if is_new else known.get("cluster.id", ""))
        return LogDirectory.open(
            path, self.disk, cluster_id=cluster_id, node_id=self.node_id, new_directory_id=self.random.randbytes(16)
        )

    def _remote_controller(self) -> RemoteController | None:
        if "controller" in self.config.process_roles and not self._is_candidate:
            return None
        addresses = [(each.host, each.port) for each in self.config.controller_quorum_bootstrap_servers]
        own = (lambda: self.active_controller) if self._is_candidate else None
        remote = RemoteController(addresses, self.network, self.config, self.clock, self.on_image, own)
        self.controller = remote
        return remote

    @property
    def _is_candidate(self) -> bool:
        """Whether this process is one of several that may be the active controller."""
        return "controller" in self.config.process_roles and self.config.controller_journal == "etcd"

    async def _stand_as_candidate(self, nursery: trio.Nursery, endpoints: tuple[Endpoint, ...]) -> str:
        """From now on this process is the active controller whenever it can be; return the cluster's id."""
        etcd = Etcd(self.config.etcd_endpoints, self._make_gateway())
        listener = self.config.inter_broker_listener
        host, port = next((each.host, each.port) for each in endpoints if each.name == listener)
        workers = self._make_workers()
        cluster_id = ""

        async def lead(term: Term) -> None:
            controller = ControllerRuntime(
                term.journal,
                self.config,
                self.clock,
                self.random,
                cluster_id,
                lambda old, new: None,  # this broker follows the metadata as every other one
                workers,
                self.network,
                may_decide=term.may_decide,
                predecessor_ms=term.predecessor_ms,
                has_rivals=True,
            )
            try:
                await controller.start()
            except ControllerUnavailable as error:
                raise CannotLead(str(error)) from error
            logger.info("controller %d is active", self.node_id)
            self.active_controller = controller
            try:
                await controller.run()
            finally:
                self.active_controller = None
                controller.stop()

        candidate = Candidate(
            etcd,
            self.config.etcd_prefix,
            Leader(self.node_id, host, port, self.random.randbytes(16).hex()),
            self.config.broker_session_timeout_ms,
            self.network,
            self.clock,
            workers,
            lead,
        )
        cluster_id = await candidate.cluster_id(_new_cluster_id(self.random))
        nursery.start_soon(candidate.run)
        return cluster_id

    async def _start_controller(self, nursery: trio.Nursery, endpoints: tuple[Endpoint, ...]) -> None:
        """In this process; the broker of this process, if it is one, is let in at once."""
        journal = FileJournal(
            self.directory.path,
            self.disk,
            self.clock.now_ms(),
            clean=self.directory.clean,
            seen=self.directory.seen_metadata,
            snapshot_bytes=self.config.metadata_log_max_record_bytes_between_snapshots,
            snapshot_interval_ms=self.config.metadata_log_max_snapshot_interval_ms,
        )
        controller = ControllerRuntime(
            journal,
            self.config,
            self.clock,
            self.random,
            self.directory.cluster_id,
            self.on_image,
            self.workers,
            self.network,
        )
        self.controller = controller
        await controller.start()
        if self.is_broker:
            await controller.join(await self._registration(controller.image, endpoints))
            self.directory.remember_epoch(controller.broker_epoch, synced=self.flusher.syncs)
            self.replica_logs.lower_recovery_points()
            nursery.start_soon(self.fetchers.run)
        else:
            self.on_image(self._image, controller.image)
        self.active_controller = controller
        nursery.start_soon(controller.run)

    async def _join(self, nursery: trio.Nursery, remote: RemoteController, endpoints: tuple[Endpoint, ...]) -> None:
        """Register, follow the metadata, and wait to be let in."""
        registration = await self._registration(await remote.first_image(), endpoints)
        epoch = await remote.register(registration)
        await self.workers.run(partial(self.directory.remember_epoch, epoch, synced=self.flusher.syncs))
        await self.workers.run(self.replica_logs.lower_recovery_points)
        nursery.start_soon(self.fetchers.run)
        nursery.start_soon(remote.follow)
        await nursery.start(remote.beat)
        nursery.start_soon(remote.watch_lease, self._on_lease)

    def _on_lease(self, has_lease: bool) -> None:
        for partition in self.partitions.values():
            partition.may_be_deposed = not has_lease
            if partition.may_be_deposed:
                partition.fail_commits()
        self.groups.refresh()
        self.transactions.refresh()

    async def _registration(self, image: MetadataImage, endpoints: tuple[Endpoint, ...]) -> RegistrationRequest:
        """What the broker says about itself, and about its disk: logs are opened before, for it may be elected after.

        `image`: the metadata as of now. Under which incarnation it asks is written down first.
        """
        configs, directory = topic_configs(image, self.controller.static_config), self.directory
        await self.workers.run(partial(self.replica_logs.recover, image, partial(log_config, image, configs)))
        incarnation_id, earlier = self.random.randbytes(16), directory.registration.incarnations
        await self.workers.run(partial(directory.intend_to_register, incarnation_id))
        request = RegistrationRequest(
            broker_id=self.node_id,
            cluster_id=directory.cluster_id,
            incarnation_id=incarnation_id,
            listeners=[Listener(one.name, one.host, one.port, one.security_protocol) for one in endpoints],
            rack=self.config.broker_rack,
            log_dirs=[directory.directory_id],
            previous_broker_epoch=directory.complete_since(),
            earlier_incarnations=earlier,
            damaged=self.replica_logs.damaged(),
        )
        self.replica_logs.told()
        return request

    def _close(self) -> None:
        clean = self._running and not self.replica_logs.waiting
        self.replica_logs.close()
        for partition in self.partitions.values():
            clean = clean and partition.log.failed is None
            try:
                partition.log.close(clean=self._running)
            except (OSError, LogFailed) as error:
                logger.error("%s could not be closed cleanly: %s", partition, error)
                self.flusher.sync_failed()
                clean = False
        try:
            if self._running:
                self.controller.close()
                self.checkpoints.write_now(NAMES, list(self.partitions.values()))
                self._metadata_note.write(*self._metadata_note.seen())
                if clean:
                    self.directory.mark_clean(self.controller.broker_epoch)
        except (OSError, LogFailed) as error:
            logger.error("the data directory could not be left cleanly: %s", error)
        finally:
            self.directory.release()

    # ----------------------------------------------------------------------------------------------------- metadata

    def on_image(self, _: MetadataImage, new: MetadataImage) -> None:
        """Make everything here agree with the metadata, be it the first that comes or a change."""
        old, self._image = self._image, new
        if old.offset < 0 and self.is_broker and (line := overruled(new, self.controller.static_config)):
            logger.warning("%s", line)
        self._metadata_note.see()
        changes = delta(old, new)
        self.reachability.take(old, new)
        if changes.deleted:
            self.recent_deletions.take(changes.deleted)
        if changes.broker_configs:
            for name in newly_inert(old, new, self.controller.static_config):
                logger.warning("%s is kept and shown, and has no effect in this broker", name)
            self.config = broker_config(new, self.controller.static_config)
        self.partitions.take(changes, new, self.topic_configs())
        self.fetchers.refresh()
        self.groups.on_image(old, new)
        self.transactions.refresh()

    def topic_configs(self) -> TopicConfigs:
        return topic_configs(self._image, self.controller.static_config)


def _new_cluster_id(random: Random) -> str:
    """22 characters of unpadded base64url, as Kafka makes them; never beginning with a dash."""
    while True:
        cluster_id = base64.urlsafe_b64encode(random.randbytes(16)).rstrip(b"=").decode()
        if not cluster_id.startswith("-"):
            return cluster_id
