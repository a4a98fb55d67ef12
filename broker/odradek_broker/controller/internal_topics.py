"""How the topics are made that coordinators keep their state in."""

from __future__ import annotations

from odradek.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.image import (
    GROUP_TOPIC,
    INTERNAL_TOPICS,
    SHARE_TOPIC,
    TRANSACTION_TOPIC,
    MetadataImage,
)

DEFAULT = -1


def topic_to_create(
    image: MetadataImage,
    config: BrokerConfig,
    name: str,
    partitions: int = DEFAULT,
    replication_factor: int = DEFAULT,
    configs: dict[str, str] | None = None,
) -> CreatableTopic:
    """A request for one topic; for a coordinator's own topic what is not given is as that coordinator needs it."""
    own = {**_internal_configs(image, config, name), **(configs or {})}
    if name in INTERNAL_TOPICS:
        partitions = _internal_partitions(config, name) if partitions == DEFAULT else partitions
        if replication_factor == DEFAULT:
            replication_factor = _internal_replication_factor(image, config, name)
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=replication_factor,
        configs=[CreatableTopicConfig(name=key, value=value) for key, value in own.items()],
    )


def _internal_partitions(config: BrokerConfig, name: str) -> int:
    if name == GROUP_TOPIC:
        return config.offsets_topic_num_partitions
    if name == SHARE_TOPIC:
        return config.share_coordinator_state_topic_num_partitions
    return config.transaction_state_log_num_partitions


def _internal_replication_factor(image: MetadataImage, config: BrokerConfig, name: str) -> int:
    """As configured, to the letter where it has been; the default asks for no more than there are brokers."""
    if name == GROUP_TOPIC:
        key, wanted = "offsets.topic.replication.factor", config.offsets_topic_replication_factor
    elif name == SHARE_TOPIC:
        key = "share.coordinator.state.topic.replication.factor"
        wanted = config.share_coordinator_state_topic_replication_factor
    else:
        key, wanted = "transaction.state.log.replication.factor", config.transaction_state_log_replication_factor
    return wanted if config.is_given(key) else max(1, min(wanted, len(image.active_brokers)))


def _internal_configs(image: MetadataImage, config: BrokerConfig, name: str) -> dict[str, str]:
    """Records of share groups' state build on one another: their coordinator deletes them, and nothing compacts."""
    if name == GROUP_TOPIC:
        segment_bytes = str(config.offsets_topic_segment_bytes)
        return {"cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": segment_bytes}
    if name == SHARE_TOPIC:
        return {
            "cleanup.policy": "delete",
            "compression.type": "producer",
            "retention.ms": "-1",
            "segment.bytes": str(config.share_coordinator_state_topic_segment_bytes),
            "min.insync.replicas": _min_isr(image, config, name, "share.coordinator.state.topic.min.isr"),
        }
    if name == TRANSACTION_TOPIC:
        return {
            "cleanup.policy": "compact",
            "compression.type": "uncompressed",
            "segment.bytes": str(config.transaction_state_log_segment_bytes),
            "min.insync.replicas": _min_isr(image, config, name, "transaction.state.log.min.isr"),
        }
    return {}


def _min_isr(image: MetadataImage, config: BrokerConfig, name: str, key: str) -> str:
    """As configured, to the letter where it has been; the default wants no more than there are replicas."""
    wanted = int(config.text(key) or DEFAULT)
    return str(wanted if config.is_given(key) else min(wanted, _internal_replication_factor(image, config, name)))
