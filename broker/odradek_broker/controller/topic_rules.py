"""What the configuration says about electing leaders, topic by topic."""

from __future__ import annotations

from odradek_broker.config import BrokerConfig
from odradek_broker.controller.effective import topic_configs
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.partition_change import Rules


class TopicRules:
    """Of one image; most topics say nothing of their own, and share what they fall back to."""

    def __init__(self, image: MetadataImage, config: BrokerConfig) -> None:
        self._image = image
        self._configs = topic_configs(image, config)
        self._default = self._of({})

    def of(self, topic: str) -> Rules:
        own = self._image.topic_config(topic)
        return self._of(dict(own)) if own else self._default

    def _of(self, own: dict[str, str]) -> Rules:
        return Rules(
            self._configs.value("min.insync.replicas", own), self._configs.value("unclean.leader.election.enable", own)
        )
