"""Images and requests to decide about."""

from __future__ import annotations

from random import Random
from typing import Any

from msgspec import Struct

from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest, Listener
from odradek.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.create_topics import create_topics
from odradek_broker.controller.image import Endpoint, MetadataImage
from odradek_broker.controller.membership import fence_broker, register_broker, unfence_broker
from odradek_broker.controller.replay import replay

CONFIG = BrokerConfig()


def cluster(*racks: str | None) -> MetadataImage:
    """An image with brokers 1, 2, ... in these racks."""
    image = MetadataImage(cluster_id="test")
    for broker_id, rack in enumerate(racks, start=1):
        image = replay(image, join(image, broker_id, rack=rack))
    return image


def registration(
    image: MetadataImage,
    broker_id: int,
    incarnation_id: bytes | None = None,
    endpoints: tuple[Endpoint, ...] = (),
    rack: str | None = None,
    log_dirs: tuple[bytes, ...] = (),
    previous_epoch: int | None = None,
) -> BrokerRegistrationRequest:
    """Of a broker that has all that it had, unless another previous epoch is given."""
    known = image.brokers.get(broker_id)
    return BrokerRegistrationRequest(
        broker_id=broker_id,
        cluster_id=image.cluster_id,
        incarnation_id=incarnation_id or bytes([broker_id]) * 16,
        listeners=[Listener(one.name, one.host, one.port, one.security_protocol) for one in endpoints],
        rack=rack,
        log_dirs=list(log_dirs),
        previous_broker_epoch=previous_epoch if previous_epoch is not None else -1 if known is None else known.epoch,
    )


def join(image: MetadataImage, broker_id: int, *details: Any, **more: Any) -> list[Struct]:
    """The records by which a broker takes the place of its predecessor, if it has one, and is let in."""
    fenced = fence_broker(image, broker_id, CONFIG)
    image = replay(image, fenced)
    registered = register_broker(image, registration(image, broker_id, *details, **more), CONFIG)
    assert not registered.response.error_code, registered.response
    image = replay(image, registered.records)
    return [*fenced, *registered.records, *unfence_broker(image, broker_id, CONFIG)]


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
