"""The partitions that a broker keeps. The metadata decides which there are, and who leads them: `take` makes the data
directory agree with it. Nothing else creates or deletes a log. (How logs are opened: replica_logs.py.)"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

from odradek_broker.config.coordination_keys import RACK_AWARE
from odradek_broker.config.topic_keys import FOLLOWER_THROTTLED, LEADER_THROTTLED, is_throttled
from odradek_broker.controller.delta import Delta, PartitionDelta
from odradek_broker.controller.image import METADATA_TOPIC, MetadataImage
from odradek_broker.controller.partition_change import RECOVERING
from odradek_broker.log.config import LogConfig
from odradek_broker.log.offset_checkpoints import HIGH_WATERMARKS
from odradek_broker.partitions.partition import Partition

if TYPE_CHECKING:
    from odradek_broker.config.effective import TopicConfigs
    from odradek_broker.controller.image import PartitionImage
    from odradek_broker.log.checkpoints import PartitionKey
    from odradek_broker.log.log import Log
    from odradek_broker.node.broker import Broker

logger = logging.getLogger(__name__)


class TopicSettings(NamedTuple):
    """What holds for all partitions of a topic on this broker."""

    log: LogConfig
    min_insync: int
    throttled_as_leader: tuple[str, ...]
    throttled_as_follower: tuple[str, ...]


class Partitions(dict["PartitionKey", Partition]):
    """By topic and index; made empty, filled by `take`."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker

    def take(self, changes: Delta, image: MetadataImage, configs: TopicConfigs) -> None:
        """The metadata has changed."""
        for topic in changes.deleted:
            for index in topic.partitions:
                self._delete((topic.name, index))
        settings_of = cache(partial(_settings, image, configs))
        # The settings come first, and nothing is committed before the roles are taken up, too: the controller has never
        # decided by a new ISR with the old min.insync.replicas, nor by the old one with the new.
        names = set(image.topics) if changes.broker_configs else set(changes.topic_configs)
        configured = [partition for partition in self.values() if partition.topic in names]
        for partition in configured:
            self._configure(partition, settings_of(partition.topic))
        for change in changes.partitions:
            self._take_up(change, settings_of, image)
        for partition in configured:
            partition.advance()

    def set_aside_strays(self, image: MetadataImage) -> None:
        """Directories of partitions that nobody knows of, or that others keep, are renamed."""
        broker = self._broker
        for key in broker.replica_logs.waiting:
            if not self._is_ours(key, image):
                broker.replica_logs.let_go(key)
        strays = [key for key in broker.directory.partitions() if key[0] != METADATA_TOPIC]
        strays = [key for key in strays if not self._is_ours(key, image)]
        for topic, index in strays:
            try:
                path = broker.directory.mark_stray(topic, index, broker.random.randbytes(16).hex())
            except OSError as error:
                logger.error("%s-%d is not for this broker, and cannot be set aside: %s", topic, index, error)
            else:
                logger.warning("%s-%d is not for this broker and was set aside as %s", topic, index, path)

    def take_up_again(self, topic: str, index: int, partition: PartitionImage) -> None:
        """A partition whose log could not be served from when the metadata said that it is ours. Refresh who reads."""
        broker = self._broker
        self._take_up(
            PartitionDelta(broker.image.topics[topic], index, None, partition),
            cache(partial(_settings, broker.image, broker.topic_configs())),
            broker.image,
        )
        if (topic, index) in self:
            logger.debug("%s-%d is in use from now on", topic, index)

    def _is_ours(self, key: PartitionKey, image: MetadataImage) -> bool:
        known = image.partition(*key)
        return known is not None and self._broker.node_id in known.replicas

    def _take_up(
        self, change: PartitionDelta, settings_of: Callable[[str], TopicSettings], image: MetadataImage
    ) -> None:
        key = (change.topic.name, change.index)
        if self._broker.node_id not in change.new.replicas:
            self._delete(key)
            return
        partition = self.get(key)
        if partition is None:
            log = self._broker.replica_logs.take(key, change.topic.topic_id, image)
            if log is None:
                return
            partition = self[key] = self._made(key, change.topic.topic_id, log, settings_of(change.topic.name))
        if change.new.leader == self._broker.node_id:
            is_recovering = change.new.leader_recovery_state == RECOVERING
            if is_recovering and (change.old is None or change.old.leader_recovery_state != RECOVERING):
                logger.warning(
                    "%s: we lead with what we have, and it may lack records that were acknowledged", partition
                )
            partition.lead(change.new)
        else:
            partition.follow(change.new)

    def _made(self, key: PartitionKey, topic_id: bytes, log: Log, settings: TopicSettings) -> Partition:
        broker = self._broker
        partition = Partition(
            *key,
            topic_id,
            log,
            node_id=broker.node_id,
            high_watermark=broker.directory.checkpoints.get(HIGH_WATERMARKS, (topic_id, key[1])),
            flusher=broker.flusher,
            clock=broker.clock,
        )
        self._configure(partition, settings)
        return partition

    def _configure(self, partition: Partition, settings: TopicSettings) -> None:
        partition.log.config = settings.log
        partition.min_insync = settings.min_insync
        partition.tells_watermark = self._broker.config.replica_selector_class == RACK_AWARE
        who = partition.index, self._broker.node_id
        partition.throttled_as_leader = is_throttled(settings.throttled_as_leader, *who)
        partition.throttled_as_follower = is_throttled(settings.throttled_as_follower, *who)

    def _delete(self, key: PartitionKey) -> None:
        partition, broker = self.pop(key, None), self._broker
        log = broker.replica_logs.let_go(key) if partition is None else partition.log
        if log is not None:
            try:
                broker.directory.delete_log(log, broker.random.randbytes(16).hex(), broker.clock.now_ms())
            except OSError as error:
                logger.error("%s-%d could not be deleted: %s", *key, error)
        if partition is not None:
            partition.retire()


def log_config(image: MetadataImage, configs: TopicConfigs, topic: str) -> LogConfig:
    return configs.log_config(image.topic_config(topic))


def _settings(image: MetadataImage, configs: TopicConfigs, topic: str) -> TopicSettings:
    own = image.topic_config(topic)
    return TopicSettings(
        log_config(image, configs, topic),
        configs.value("min.insync.replicas", own),
        configs.value(LEADER_THROTTLED, own),
        configs.value(FOLLOWER_THROTTLED, own),
    )
