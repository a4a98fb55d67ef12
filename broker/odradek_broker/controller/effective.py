"""What the configuration comes to on one broker, once the image's changes are laid over what it was given at start."""

from __future__ import annotations

from odradek_broker.config import BrokerConfig, TopicConfigs
from odradek_broker.config.effective import ConfigEntry, effective_broker_config
from odradek_broker.config.group_keys import group_entries
from odradek_broker.config.inert_keys import INERT_KEYS
from odradek_broker.controller.image import MetadataImage, ResourceType

ALL_BROKERS = ""
"""The name of the broker resource that stands for all."""


def topic_configs(image: MetadataImage, config: BrokerConfig) -> TopicConfigs:
    """What topics fall back to on the broker whose configuration at start this is."""
    return TopicConfigs(
        config,
        image.config(ResourceType.BROKER, str(config.node_id)),
        image.config(ResourceType.BROKER, ALL_BROKERS),
    )


def broker_config(image: MetadataImage, config: BrokerConfig) -> BrokerConfig:
    """The configuration that was given at start, with the image's changes for that broker laid over it."""
    return effective_broker_config(
        config,
        image.config(ResourceType.BROKER, str(config.node_id)),
        image.config(ResourceType.BROKER, ALL_BROKERS),
    )


def group_configs(image: MetadataImage, config: BrokerConfig, group_id: str) -> list[ConfigEntry]:
    """Every key of a group, on the broker whose configuration at start this is."""
    return group_entries(
        config,
        image.config(ResourceType.BROKER, str(config.node_id)),
        image.config(ResourceType.BROKER, ALL_BROKERS),
        image.config(ResourceType.GROUP, group_id),
    )


def newly_inert(old: MetadataImage, new: MetadataImage, config: BrokerConfig) -> list[str]:
    """The keys without effect that somebody has set for this broker, or for all, between the two images."""
    return [
        name
        for resource in (ALL_BROKERS, str(config.node_id))
        for name, value in new.config(ResourceType.BROKER, resource).items()
        if name in INERT_KEYS and old.config(ResourceType.BROKER, resource).get(name) != value
    ]
