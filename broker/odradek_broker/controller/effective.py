"""What the configuration comes to on one broker, once the image's changes are laid over what it was given at start."""

from __future__ import annotations

from odradek_broker.config import BrokerConfig, TopicConfigs
from odradek_broker.config.effective import effective_broker_config
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
