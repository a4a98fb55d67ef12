"""The partitions that a broker keeps. The metadata decides which there are, and who leads them: `take` makes the data
directory agree with it. Nothing else creates or deletes a log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

from odradek_broker.config.coordination_keys import RACK_AWARE
from odradek_broker.config.topic_keys import FOLLOWER_THROTTLED, LEADER_THROTTLED, is_throttled
from odradek_broker.controller.delta import Delta, PartitionDelta
from odradek_broker.controller.image import METADATA_TOPIC, MetadataImage
from odradek_broker.log.config import LogConfig
from odradek_broker.log.failures import LogFailed, TopicIdMismatch
from odradek_broker.log.offset_checkpoints import HIGH_WATERMARKS
from odradek_broker.runtime.partition import Partition

if TYPE_CHECKING:
    from odradek_broker.config.effective import TopicConfigs
    from odradek_broker.log.checkpoints import TopicPartition
    from odradek_broker.runtime.broker import Broker

logger = logging.getLogger(__name__)


class TopicSettings(NamedTuple):
    """What holds for all partitions of a topic on this broker."""

    log: LogConfig
    min_insync: int
    throttled_as_leader: tuple[str, ...]
    throttled_as_follower: tuple[str, ...]


class Partitions(dict["TopicPartition", Partition]):
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
            self._take_up(change, settings_of)
        for partition in configured:
            partition.advance()

    def set_aside_strays(self, image: MetadataImage) -> None:
        """Directories of partitions that nobody knows of, or that others keep, are renamed."""
        broker = self._broker
        for topic, index in broker.directory.partitions():
            known = image.partition(topic, index)
            if topic != METADATA_TOPIC and (known is None or broker.node_id not in known.replicas):
                path = broker.directory.mark_stray(topic, index, broker.random.randbytes(16).hex())
                logger.warning("%s-%d is not for this broker and was set aside as %s", topic, index, path)

    def _take_up(self, change: PartitionDelta, settings_of: Callable[[str], TopicSettings]) -> None:
        key = (change.topic.name, change.index)
        if self._broker.node_id not in change.new.replicas:
            self._delete(key)
            return
        partition = self.get(key)
        if partition is None:
            partition = self._open(key, change.topic.topic_id, settings_of(change.topic.name))
            if partition is None:
                return
            self[key] = partition
        if change.new.leader == self._broker.node_id:
            partition.lead(change.new)
        else:
            partition.follow(change.new)

    def _open(self, key: TopicPartition, topic_id: bytes, settings: TopicSettings) -> Partition | None:
        broker, now_ms = self._broker, self._broker.clock.now_ms()
        try:
            log = broker.directory.open_log(*key, settings.log, topic_id=topic_id, now_ms=now_ms)
            if log.flushed_offset < log.log_end_offset:
                log.flush()
        except (OSError, LogFailed, TopicIdMismatch) as error:
            logger.error("%s-%d cannot be opened: %s", *key, error)
            return None
        if log.recovery is not None and log.recovery.cut_bytes:
            logger.warning("%s-%d: %s", *key, log.recovery)
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

    def _delete(self, key: TopicPartition) -> None:
        partition = self.pop(key, None)
        if partition is None:
            return
        broker = self._broker
        try:
            broker.directory.delete_log(partition.log, broker.random.randbytes(16).hex(), broker.clock.now_ms())
        except OSError as error:
            logger.error("%s could not be deleted: %s", partition, error)
        partition.retire()


def _settings(image: MetadataImage, configs: TopicConfigs, topic: str) -> TopicSettings:
    own = image.topic_config(topic)
    return TopicSettings(
        configs.log_config(own),
        configs.value("min.insync.replicas", own),
        configs.value(LEADER_THROTTLED, own),
        configs.value(FOLLOWER_THROTTLED, own),
    )
