"""What holds for all partitions of a topic on this broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from odradek_broker.config.topic_keys import FOLLOWER_THROTTLED, LEADER_THROTTLED

if TYPE_CHECKING:
    from odradek_broker.config.effective import TopicConfigs
    from odradek_broker.controller.image import MetadataImage
    from odradek_broker.log.config import LogConfig


class TopicSettings(NamedTuple):
    log: LogConfig
    min_insync: int
    throttled_as_leader: tuple[str, ...]
    throttled_as_follower: tuple[str, ...]


def log_config(image: MetadataImage, configs: TopicConfigs, topic: str) -> LogConfig:
    return configs.log_config(image.topic_config(topic))


def topic_settings(image: MetadataImage, configs: TopicConfigs, topic: str) -> TopicSettings:
    own = image.topic_config(topic)
    return TopicSettings(
        log_config(image, configs, topic),
        configs.value("min.insync.replicas", own),
        configs.value(LEADER_THROTTLED, own),
        configs.value(FOLLOWER_THROTTLED, own),
    )
