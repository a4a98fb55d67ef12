"""A broker with all that it is made of, once its data directory is open: what handlers of requests reach.

It acts upon the metadata as it comes (`on_image`) and closes what it has opened. What runs, and in which order, is the
node's (node.py).
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from odradek_broker.config.listener import WITH_LOGIN
from odradek_broker.controller.delta import delta
from odradek_broker.controller.effective import broker_config, newly_inert
from odradek_broker.controller.min_insync import overruled
from odradek_broker.coordinators.end_offsets import EndOffsets
from odradek_broker.coordinators.groups import GroupsRuntime
from odradek_broker.coordinators.share_groups import ShareGroupsRuntime
from odradek_broker.coordinators.share_membership import ShareMembership
from odradek_broker.coordinators.transaction_markers import TransactionMarkers
from odradek_broker.coordinators.transactions import TransactionsRuntime
from odradek_broker.log.failures import LogFailed
from odradek_broker.log.offset_checkpoints import NAMES
from odradek_broker.loop.looks import Looks
from odradek_broker.metadata.note import MetadataNote
from odradek_broker.metadata.reachability import Reachability
from odradek_broker.metadata.recent_deletions import RecentDeletions
from odradek_broker.node.audit_log import AuditLog
from odradek_broker.node.known_brokers import known_brokers
from odradek_broker.partitions.checkpoints import Checkpoints
from odradek_broker.partitions.fetch_sessions import FetchSessions
from odradek_broker.partitions.flusher import Flusher
from odradek_broker.partitions.follower import Follower
from odradek_broker.partitions.isr_changes import IsrChanges
from odradek_broker.partitions.replica_fetchers import ReplicaFetchers
from odradek_broker.partitions.replica_logs import ReplicaLogs
from odradek_broker.partitions.replica_manager import ReplicaManager
from odradek_broker.replication.throttle import Throttle
from odradek_broker.security.authorizer import Authorizer

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.context import NodeContext
    from odradek_broker.controller.image import MetadataImage, PartitionImage
    from odradek_broker.log.checkpoints import PartitionKey
    from odradek_broker.log.directory import LogDirectory
    from odradek_broker.metadata.active import ControllerRuntime
    from odradek_broker.metadata.client import ControllerClient
    from odradek_broker.metadata.seat import ControllerSeat
    from odradek_broker.partitions.partition import Partitions
    from odradek_broker.ports.workers import Workers

logger = logging.getLogger(__name__)


class Broker:
    """Of one node, from the opening of its data directory to the closing."""

    def __init__(
        self,
        context: NodeContext,
        directory: LogDirectory,
        workers: Workers,
        controller: ControllerClient,
        seat: ControllerSeat,
    ) -> None:
        self.context = context
        self.node_id = context.node_id
        self.disk, self.clock, self.steady_clock = context.disk, context.clock, context.steady_clock
        self.random, self.network = context.random, context.network
        self.directory = directory
        self.workers = workers
        self.controller = controller
        """Whom to ask for decisions."""
        self._seat = seat
        config = context.config
        self.authorizer = _authorizer(config)
        """None where nobody is asked for permission."""
        self.known_brokers = known_brokers(config)
        self.audit_log = AuditLog(context, workers) if _is_audited(config) else None
        self.looks = Looks(workers)
        self.flusher = Flusher(workers, sync=config.log_flush_policy == "sync", doubt_caches=directory.doubt_caches)
        self.partitions: Partitions = {}
        self.replica_logs = ReplicaLogs(
            context,
            directory,
            workers,
            self.partitions,
            controller,
            on_opened=self._log_opened,
            on_change=self._partitions_changed,
        )
        self.replicas = ReplicaManager(context, directory, self.partitions, self.replica_logs, self.flusher, controller)
        self.fetch_sessions = FetchSessions(
            config.max_incremental_fetch_session_cache_slots,
            config.max_incremental_fetch_session_cache_partitions,
            context.random,
        )
        self.checkpoints = Checkpoints(context, self.partitions, directory.checkpoints, workers)
        self.groups = GroupsRuntime(context, self.replicas, self.replica_logs, self.looks)
        self.markers = TransactionMarkers(context, self.replicas, self.groups)
        self.transactions = TransactionsRuntime(context, self.replicas, self.replica_logs, controller, self.markers)
        self.sharing = ShareGroupsRuntime(context, self.replicas, self.replica_logs, controller, self.looks)
        self.share_membership = ShareMembership(context, self.groups, self.sharing.persister)
        self.end_offsets = EndOffsets(context, self.replicas)
        self.isr_changes = IsrChanges(context, self.partitions, controller)
        self.metadata_note = MetadataNote(context, controller, directory, workers)
        self.reachability = Reachability(context.clock)
        self.recent_deletions = RecentDeletions(context.clock)
        self.leader_throttle = Throttle()
        self.fetchers = ReplicaFetchers(
            context,
            self.partitions,
            controller,
            self.reachability,
            partial(Follower, context, self.flusher, self.checkpoints, Throttle()),
        )

    @property
    def config(self) -> BrokerConfig:
        """With its dynamic changes."""
        return self.context.config

    @property
    def image(self) -> MetadataImage:
        return self.context.image

    @property
    def is_stopping(self) -> bool:
        return self.context.is_stopping

    @property
    def active_controller(self) -> ControllerRuntime | None:
        """The one in this process, while it may decide."""
        return self._seat.controller

    def topic_name(self, topic_id: bytes) -> str | None:
        return self.context.image.topic_names.get(topic_id)

    # ----------------------------------------------------------------------------------------------------- metadata

    def on_image(self, new: MetadataImage) -> None:
        """Make everything here agree with the metadata, be it the first that comes or a change."""
        context = self.context
        old, context.image = context.image, new
        if old.offset < 0 and context.is_broker and (line := overruled(new, context.static_config)):
            logger.warning("%s", line)
        self.metadata_note.see()
        changes = delta(old, new)
        self.reachability.take(old, new)
        if changes.deleted:
            self.recent_deletions.take(changes.deleted)
        if changes.broker_configs:
            for name in newly_inert(old, new, context.static_config):
                logger.warning("%s is kept and shown, and has no effect in this broker", name)
            context.config = broker_config(new, context.static_config)
        self.replicas.apply(changes, new)
        self.fetchers.refresh()
        self.groups.on_image(old, new)
        self.transactions.refresh()
        self.sharing.refresh()
        if changes.deleted:
            self.sharing.forget_topics({topic.topic_id for topic in changes.deleted})

    def _log_opened(self, key: PartitionKey, partition: PartitionImage) -> None:
        self.replicas.take_up_again(key, partition)

    def _partitions_changed(self) -> None:
        """Others look at what partitions there are."""
        self.fetchers.refresh()
        self.groups.refresh()
        self.transactions.refresh()
        self.sharing.refresh()

    def on_lease(self, has_lease: bool) -> None:
        """It has run out, or is there again."""
        for partition in self.partitions.values():
            partition.may_be_deposed = not has_lease
            if partition.may_be_deposed:
                partition.fail_commits()
        self.groups.refresh()
        self.transactions.refresh()
        self.sharing.refresh()

    # ---------------------------------------------------------------------------------------------------------- end

    def end_waits(self) -> None:
        """Before a stop: whoever waits for records, metadata or a group, gets an answer now."""
        self.groups.close()
        self.transactions.close()
        self.sharing.close()
        self.end_offsets.close()
        for partition in self.partitions.values():
            partition.wake_everybody()

    def close(self, *, has_run: bool) -> None:
        """Leave a directory that the next start need not recover, where all was well. Blocks, in a worker.

        `has_run`: it has served, so that what it knows is worth writing down.
        """
        if self.audit_log is not None:
            self.audit_log.close()
        is_clean = has_run and not self.replica_logs.waiting
        self.replica_logs.close()
        for partition in self.partitions.values():
            is_clean = is_clean and partition.log.failed is None
            try:
                partition.log.close(clean=has_run)
            except (OSError, LogFailed) as error:
                logger.error("%s could not be closed cleanly: %s", partition, error)
                self.flusher.sync_failed()
                is_clean = False
        try:
            if has_run:
                self.controller.close()
                self.checkpoints.write_now(NAMES, list(self.partitions.values()))
                self.metadata_note.write(*self.metadata_note.seen())
                if is_clean:
                    self.directory.mark_clean(self.controller.broker_epoch)
        except (OSError, LogFailed) as error:
            logger.error("the data directory could not be left cleanly: %s", error)


def _is_audited(config: BrokerConfig) -> bool:
    """Whether there is anything to be audited, and room for it."""
    logs_in = any(config.protocol_of(each.name) in WITH_LOGIN for each in config.listeners)
    return config.audit_log_max_bytes > 0 and (logs_in or bool(config.authorizer_class_name))


def _authorizer(config: BrokerConfig) -> Authorizer | None:
    if not config.authorizer_class_name:
        return None
    return Authorizer(config.super_users.names, config.allow_everyone_if_no_acl_found)
