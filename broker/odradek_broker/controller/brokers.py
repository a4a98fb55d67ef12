"""Brokers come. (That they go is noticed by their silence; a single broker has nobody who could notice.)"""

from __future__ import annotations

from msgspec import Struct

from odradek.protocol.messages.metadata_records import (
    BrokerEndpoint,
    FeatureLevelRecord,
    RegisterBrokerRecord,
)
from odradek_broker.controller.image import Endpoint, MetadataImage
from odradek_broker.controller.partitions import elect, should_lead
from odradek_broker.controller.result import Result

FEATURES = {"metadata.version": 30, "group.version": 0, "transaction.version": 0}
"""Levels that a new journal begins with. metadata.version 30 is what Kafka 4.3 writes its records in."""


def bootstrap() -> list[Struct]:
    """The records that an empty journal begins with."""
    return [FeatureLevelRecord(name=name, feature_level=level) for name, level in FEATURES.items()]


def register_broker(
    image: MetadataImage,
    broker_id: int,
    incarnation_id: bytes,
    endpoints: tuple[Endpoint, ...],
    rack: str | None = None,
    log_dirs: tuple[bytes, ...] = (),
) -> Result[int]:
    """Let a broker in, and let it lead again what it led: in a new leader epoch, for it may have lost unsafe records.

    The answer is its broker epoch, the offset of its registration.
    """
    epoch = image.offset + 1
    registration = RegisterBrokerRecord(
        broker_id=broker_id,
        incarnation_id=incarnation_id,
        broker_epoch=epoch,
        end_points=[
            BrokerEndpoint(name=one.name, host=one.host, port=one.port, security_protocol=one.security_protocol)
            for one in endpoints
        ],
        rack=rack,
        fenced=False,
        log_dirs=list(log_dirs),
    )
    elections = [
        elect(topic.topic_id, index, broker_id)
        for topic in image.topics.values()
        for index, partition in topic.partitions.items()
        if should_lead(partition, broker_id)
    ]
    return Result([registration, *elections], epoch)
