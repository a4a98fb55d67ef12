"""The life of a node: a broker with its data directory and partitions, a controller, or both in one process.

combined, the default     decides for itself, and for brokers that name it as their controller
process.roles=broker      follows a controller elsewhere (controller.quorum.bootstrap.servers)
process.roles=controller  keeps the metadata and no partitions; it is never registered as a broker

    Node.run
      Candidate             where there are several controllers: waits until it may be the active one
      ControllerRuntime     fences brokers that are silent; or else
      RemoteController      follows the metadata, sends heartbeats
      the broker's parts    what each of them runs
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import trio

from odradek_broker.context import NodeContext
from odradek_broker.controller.file_journal import FileJournal
from odradek_broker.controller.image import Endpoint
from odradek_broker.election.gateway import Gateway, HttpGateway
from odradek_broker.log.checkpoints import decode_properties
from odradek_broker.log.directory import META_PROPERTIES, LogDirectory
from odradek_broker.log.strays import find_strays
from odradek_broker.metadata.active import ControllerRuntime
from odradek_broker.metadata.client import ControllerClient
from odradek_broker.metadata.local import LocalController
from odradek_broker.metadata.remote import RemoteController
from odradek_broker.metadata.seat import ControllerSeat
from odradek_broker.metadata.secured import between_brokers
from odradek_broker.node.broker import Broker
from odradek_broker.node.candidacy import new_cluster_id, stand_as_candidate
from odradek_broker.node.housekeeping import Housekeeping
from odradek_broker.node.joining import begin_as_controller, join
from odradek_broker.ports.workers import ThreadWorkers

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.controller.image import MetadataImage
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.disk import Disk
    from odradek_broker.ports.network import Network
    from odradek_broker.ports.workers import Workers

logger = logging.getLogger(__name__)

FLUSH_THREADS = 8


class Node:
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
        make_gateway: Callable[[BrokerConfig], Gateway] = HttpGateway,
    ) -> None:
        network = between_brokers(network, config, random)
        self.context = NodeContext(config, disk=disk, clock=clock, random=random, network=network)
        self.seat = ControllerSeat()
        self.broker: Broker | None = None
        """From the opening of the data directory on."""
        self._make_workers = make_workers
        self._make_gateway = make_gateway

    async def run(
        self, endpoints: tuple[Endpoint, ...] = (), task_status: trio.TaskStatus[Broker] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until cancelled, then leave a directory that the next start need not recover.

        Raises OSError, AlreadyLocked, InconsistentDirectory, NotAdmitted.
        """
        async with trio.open_nursery() as candidates:
            remote = self._remote_controller()
            cluster_id = ""
            if self._is_candidate:
                workers, gateway = self._make_workers(), self._make_gateway(self.context.static_config)
                cluster_id = await stand_as_candidate(self.context, self.seat, workers, gateway, endpoints, candidates)
            elif remote is not None:
                cluster_id = (await remote.follower.first_image()).cluster_id
            directory = self._open_directory(cluster_id)
            workers = self._make_workers()
            try:
                await self._serve(directory, workers, remote, endpoints, task_status)
            finally:
                directory.release()
                workers.close()

    async def hand_over(self) -> None:
        """Before a stop: let others lead what we lead. Returns when that is done; may take for ever.

        Whatever came of it, this broker leads nothing afterwards: once its port is closed it is taken to be dead.
        """
        if self.broker is not None:
            controller = self.broker.controller
            try:
                if self.context.config.controlled_shutdown_enable:
                    await controller.leave()
            finally:
                controller.lead_no_more()

    def end_waits(self) -> None:
        """Before a stop: whoever waits for records, metadata or a group, gets an answer now."""
        self.context.is_stopping = True
        if self.seat.controller is not None:
            self.seat.controller.stop()
        if self.broker is not None:
            self.broker.end_waits()

    async def _serve(
        self,
        directory: LogDirectory,
        workers: Workers,
        remote: RemoteController | None,
        endpoints: tuple[Endpoint, ...],
        task_status: trio.TaskStatus[Broker],
    ) -> None:
        for line in directory.what_damage_means():
            logger.error("%s", line)
        controller: ControllerClient
        if remote is None:
            controller = own = LocalController(self._own_controller(directory, workers))
        else:
            controller, own = remote, None
            remote.follower.seen = directory.seen_metadata
        broker = self.broker = Broker(self.context, directory, workers, controller, self.seat)
        has_run = False
        try:
            async with trio.open_nursery() as nursery:
                for path in directory.deleted_directories():
                    directory.remove_directory(path)
                if own is not None:
                    await begin_as_controller(broker, own, endpoints, nursery)
                    self.seat.controller = own.runtime
                    nursery.start_soon(own.runtime.run)
                elif remote is not None and self.context.is_broker:
                    await join(broker, remote, endpoints, nursery)
                await self._start(broker, nursery)
                has_run = True
                task_status.started(broker)
                await trio.sleep_forever()
        finally:
            if remote is not None:
                remote.disconnect()
            with trio.CancelScope(shield=True):
                await broker.flusher.wait_idle()
                await workers.run(partial(broker.close, has_run=has_run))

    async def _start(self, broker: Broker, nursery: trio.Nursery) -> None:
        """Everything that runs for as long as the broker serves."""
        if broker.image.offset >= 0:  # a candidate that is no broker follows no metadata, and keeps no partitions
            broker.replicas.set_aside_strays(broker.image)
        nursery.start_soon(self._tell_of_strays, broker)
        nursery.start_soon(broker.replica_logs.run)
        await nursery.start(broker.groups.run)
        await nursery.start(broker.transactions.run)
        await nursery.start(broker.sharing.run)
        nursery.start_soon(Housekeeping(broker).run)
        nursery.start_soon(broker.isr_changes.run)
        nursery.start_soon(broker.metadata_note.run)
        if broker.audit_log is not None:
            nursery.start_soon(broker.audit_log.run)

    def _on_image(self, _: MetadataImage, new: MetadataImage) -> None:
        """A controller tells what it has decided; of nothing before the broker is there that acts upon it."""
        assert self.broker is not None
        self.broker.on_image(new)

    async def _tell_of_strays(self, broker: Broker) -> None:
        path = broker.directory.path
        try:
            strays = await broker.workers.run(partial(find_strays, broker.disk, path))
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
        context = self.context
        path, disk = context.config.data_directory, context.disk
        meta = os.path.join(path, META_PROPERTIES)
        is_new = not disk.exists(meta)
        known = {} if is_new else decode_properties(disk.read_file(meta))
        cluster_id = cluster_id or (new_cluster_id(context.random) if is_new else known.get("cluster.id", ""))
        new_id = context.random.randbytes(16)
        return LogDirectory.open(path, disk, cluster_id=cluster_id, node_id=context.node_id, new_directory_id=new_id)

    # --------------------------------------------------------------------------------------------------- controllers

    @property
    def _is_candidate(self) -> bool:
        """Whether this process is one of several that may be the active controller."""
        config = self.context.config
        return "controller" in config.process_roles and config.controller_journal == "etcd"

    def _remote_controller(self) -> RemoteController | None:
        context = self.context
        if "controller" in context.config.process_roles and not self._is_candidate:
            return None
        addresses = [(each.host, each.port) for each in context.config.controller_quorum_bootstrap_servers]
        own = (lambda: self.seat.controller) if self._is_candidate else None
        return RemoteController(addresses, context.network, context.config, context.clock, self._on_image, own)

    def _own_controller(self, directory: LogDirectory, workers: Workers) -> ControllerRuntime:
        """The only one of the cluster, with its journal in our data directory."""
        context, config = self.context, self.context.config
        journal = FileJournal(
            directory.path,
            context.disk,
            context.clock.now_ms(),
            clean=directory.clean,
            seen=directory.seen_metadata,
            snapshot_bytes=config.metadata_log_max_record_bytes_between_snapshots,
            snapshot_interval_ms=config.metadata_log_max_snapshot_interval_ms,
        )
        return ControllerRuntime(
            journal,
            config,
            context.clock,
            context.random,
            directory.cluster_id,
            self._on_image,
            workers,
            context.network,
        )
