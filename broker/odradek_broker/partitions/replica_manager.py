"""Which partitions this broker keeps, and in which role: the metadata decides it, and `apply` makes the data directory
agree with it. Nothing else creates or deletes a log. (How logs are opened: replica_logs.py.) Kafka: ReplicaManager.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

from odradek.protocol.errors import ErrorCode
from odradek_broker.config.coordination_keys import RACK_AWARE
from odradek_broker.config.topic_keys import is_throttled
from odradek_broker.controller.delta import Delta, PartitionDelta
from odradek_broker.controller.effective import topic_configs
from odradek_broker.controller.image import METADATA_TOPIC, MetadataImage
from odradek_broker.controller.partition_change import RECOVERING
from odradek_broker.log.offset_checkpoints import HIGH_WATERMARKS
from odradek_broker.partitions.partition import Partition
from odradek_broker.partitions.topic_settings import TopicSettings, topic_settings

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.controller.image import PartitionImage
    from odradek_broker.log.checkpoints import PartitionKey
    from odradek_broker.log.directory import LogDirectory
    from odradek_broker.log.log import Log
    from odradek_broker.metadata.client import ControllerClient
    from odradek_broker.partitions.flusher import Flusher
    from odradek_broker.partitions.partition import Partitions
    from odradek_broker.partitions.replica_logs import ReplicaLogs

logger = logging.getLogger(__name__)


class ReplicaManager:
    """One for a broker."""

    def __init__(
        self,
        context: NodeContext,
        directory: LogDirectory,
        partitions: Partitions,
        logs: ReplicaLogs,
        flusher: Flusher,
        controller: ControllerClient,
    ) -> None:
        """`partitions` is empty, and filled by `apply`."""
        self._context = context
        self._directory = directory
        self._partitions = partitions
        self._logs = logs
        self._flusher = flusher
        self._controller = controller

    def partition(self, topic: str, index: int, *, follower_too: bool = False) -> Partition | ErrorCode:
        """The partition, where this broker leads it; with `follower_too` also where it follows."""
        found = self._partitions.get((topic, index))
        if found is not None:
            may_answer = self._controller.has_lease and (follower_too or found.leadership is not None)
            return found if may_answer else ErrorCode.NOT_LEADER_OR_FOLLOWER
        known = self._context.image.topics.get(topic)
        if known is None or index not in known.partitions:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if known.partitions[index].leader != self._context.node_id or self._logs.is_opening((topic, index)):
            return ErrorCode.NOT_LEADER_OR_FOLLOWER  # on which clients ask again
        return ErrorCode.KAFKA_STORAGE_ERROR

    # ------------------------------------------------------------------------------------------------- the metadata

    def apply(self, changes: Delta, image: MetadataImage) -> None:
        """The metadata has changed."""
        for topic in changes.deleted:
            for index in topic.partitions:
                self._delete((topic.name, index))
        settings_of = self._settings_by(image)
        # The settings come first, and nothing is committed before the roles are taken up, too: the controller has never
        # decided by a new ISR with the old min.insync.replicas, nor by the old one with the new.
        names = set(image.topics) if changes.broker_configs else set(changes.topic_configs)
        configured = [partition for partition in self._partitions.values() if partition.topic in names]
        for partition in configured:
            self._configure(partition, settings_of(partition.topic))
        for change in changes.partitions:
            self._take_up(change, settings_of, image)
        for partition in configured:
            partition.advance()

    def set_aside_strays(self, image: MetadataImage) -> None:
        """Directories of partitions that nobody knows of, or that others keep, are renamed."""
        assert image.offset >= 0, "before anything is known of the metadata, everything would be a stray"
        for key in self._logs.waiting:
            if not self._is_ours(key, image):
                self._logs.let_go(key)
        strays = [key for key in self._directory.partitions() if key[0] != METADATA_TOPIC]
        strays = [key for key in strays if not self._is_ours(key, image)]
        for topic, index in strays:
            try:
                path = self._directory.mark_stray(topic, index, self._context.random.randbytes(16).hex())
            except OSError as error:
                logger.error("%s-%d is not for this broker, and cannot be set aside: %s", topic, index, error)
            else:
                logger.warning("%s-%d is not for this broker and was set aside as %s", topic, index, path)

    def take_up_again(self, key: PartitionKey, partition: PartitionImage) -> None:
        """A partition whose log could not be served from when the metadata said that it is ours. Refresh who reads."""
        image = self._context.image
        change = PartitionDelta(image.topics[key[0]], key[1], None, partition)
        self._take_up(change, self._settings_by(image), image)
        if key in self._partitions:
            logger.debug("%s-%d is in use from now on", *key)

    def _settings_by(self, image: MetadataImage) -> Callable[[str], TopicSettings]:
        """By topic."""
        return cache(partial(topic_settings, image, topic_configs(image, self._context.static_config)))

    def _is_ours(self, key: PartitionKey, image: MetadataImage) -> bool:
        known = image.partition(*key)
        return known is not None and self._context.node_id in known.replicas

    def _take_up(
        self, change: PartitionDelta, settings_of: Callable[[str], TopicSettings], image: MetadataImage
    ) -> None:
        key = (change.topic.name, change.index)
        if self._context.node_id not in change.new.replicas:
            self._delete(key)
            return
        partition = self._partitions.get(key)
        if partition is None:
            log = self._logs.take(key, change.topic.topic_id, image)
            if log is None:
                return
            partition = self._partitions[key] = self._made(
                key, change.topic.topic_id, log, settings_of(change.topic.name)
            )
        if change.new.leader == self._context.node_id:
            is_recovering = change.new.leader_recovery_state == RECOVERING
            if is_recovering and (change.old is None or change.old.leader_recovery_state != RECOVERING):
                logger.warning(
                    "%s: we lead with what we have, and it may lack records that were acknowledged", partition
                )
            partition.lead(change.new)
        else:
            partition.follow(change.new)

    def _made(self, key: PartitionKey, topic_id: bytes, log: Log, settings: TopicSettings) -> Partition:
        partition = Partition(
            *key,
            topic_id,
            log,
            node_id=self._context.node_id,
            high_watermark=self._directory.checkpoints.get(HIGH_WATERMARKS, (topic_id, key[1])),
            flusher=self._flusher,
            clock=self._context.clock,
        )
        self._configure(partition, settings)
        return partition

    def _configure(self, partition: Partition, settings: TopicSettings) -> None:
        partition.log.config = settings.log
        partition.min_insync = settings.min_insync
        partition.tells_watermark = self._context.config.replica_selector_class == RACK_AWARE
        who = partition.index, self._context.node_id
        partition.throttled_as_leader = is_throttled(settings.throttled_as_leader, *who)
        partition.throttled_as_follower = is_throttled(settings.throttled_as_follower, *who)

    def _delete(self, key: PartitionKey) -> None:
        partition, context = self._partitions.pop(key, None), self._context
        log = self._logs.let_go(key) if partition is None else partition.log
        if log is not None:
            try:
                self._directory.delete_log(log, context.random.randbytes(16).hex(), context.clock.now_ms())
            except OSError as error:
                logger.error("%s-%d could not be deleted: %s", *key, error)
        if partition is not None:
            partition.retire()
