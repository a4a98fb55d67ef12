"""Images and requests to decide about."""

from __future__ import annotations

from random import Random

from msgspec import Struct

from odradek.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.brokers import register_broker
from odradek_broker.controller.create_topics import create_topics
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay

CONFIG = BrokerConfig()


def cluster(*racks: str | None) -> MetadataImage:
    """An image with brokers 1, 2, ... in these racks."""
    image = MetadataImage(cluster_id="test")
    for broker_id, rack in enumerate(racks, start=1):
        image = replay(image, register_broker(image, broker_id, bytes([broker_id]) * 16, (), rack).records)
    return image


def creatable(name: str, partitions: int = 1, replicas: int = 1, **configs: str | None) -> CreatableTopic:
    """A topic to create; configuration keys with underscores for dots."""
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=replicas,
        configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()],
    )


def with_topics(image: MetadataImage, *topics: CreatableTopic, seed: int = 0) -> MetadataImage:
    """The image once these topics are made."""
    result = create_topics(image, CreateTopicsRequest(topics=topics), CONFIG, Random(seed))
    assert not any(topic.error_code for topic in result.response.topics), result.response
    return replay(image, result.records)


def kinds(records: list[Struct]) -> list[str]:
    return [type(record).__name__ for record in records]
