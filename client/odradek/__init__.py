"""A Kafka client on Trio: Producer, Consumer, Admin, typed topics.

    async with Producer("localhost:9092") as producer:
        await producer.send("orders", b"v", key=b"k")

    async with Consumer("localhost:9092", topics=["orders"], group="billing") as consumer:
        async for record in consumer: ...

Nothing outlives its `async with`; every await may be cancelled; cancelling never commits an offset.

Reading order: topic, producer/, consumer/, share/, admin/; below them cluster, connection, protocol/.

The names below are imported when they are first asked for: a broker that needs only `odradek.protocol` does not pay for
the client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odradek.activity import Waiting
    from odradek.admin import Admin, ClusterDescription, ConfigEntry, ConfigSource, ResourceType, TopicDescription
    from odradek.batches import exactly_once
    from odradek.cluster.connections import ConnectionHealth
    from odradek.consumer import Consumer, ConsumerHealth
    from odradek.consumer.attempts import process
    from odradek.consumer.dead_letters import DeadLetter, DeadLetterTopic, dead_letter
    from odradek.errors import (
        AuthenticationFailed,
        AuthorizationFailed,
        BootstrapFailed,
        BrokerError,
        BufferFull,
        CommitFailed,
        ConnectionFailed,
        CorruptRecords,
        DeliveryTimedOut,
        EndedBy,
        FencedInstance,
        GroupNotEmpty,
        GroupNotFound,
        InvalidConfig,
        InvalidRecord,
        InvalidRequest,
        InvalidTopic,
        NoOffset,
        NotEnoughReplicas,
        OdradekError,
        OffsetOutOfRange,
        PolicyViolation,
        ProducerClosed,
        ProducerFenced,
        ProtocolError,
        RecordTooLarge,
        RequestTimedOut,
        SerializationFailed,
        TopicAlreadyExists,
        TransactionAbortable,
        TransactionAborted,
        TransactionOutcomeUnknown,
        Undelivered,
        UnknownTopicOrPartition,
        UnsupportedVersion,
    )
    from odradek.lag import Lag, Span
    from odradek.network import Surroundings, TcpNetwork
    from odradek.offsets import EARLIEST, LATEST, MAX_TIMESTAMP, FoundOffset
    from odradek.producer import Delivered, Delivery, Producer, ProducerHealth
    from odradek.protocol.errors import ErrorCode
    from odradek.protocol.topic_partition import TopicPartition
    from odradek.record import Record
    from odradek.replaying import NoDeadLetter, SendAgain, replay
    from odradek.security import Security
    from odradek.serializers import Serializer, nullable
    from odradek.share import ShareConsumer, ShareConsumerHealth, Shared
    from odradek.topic import Topic

__version__ = "0.1.0"

__all__ = [
    "EARLIEST",
    "LATEST",
    "MAX_TIMESTAMP",
    "Admin",
    "AuthenticationFailed",
    "AuthorizationFailed",
    "BootstrapFailed",
    "BrokerError",
    "BufferFull",
    "ClusterDescription",
    "CommitFailed",
    "ConfigEntry",
    "ConfigSource",
    "ConnectionFailed",
    "ConnectionHealth",
    "Consumer",
    "ConsumerHealth",
    "CorruptRecords",
    "DeadLetter",
    "DeadLetterTopic",
    "Delivered",
    "Delivery",
    "DeliveryTimedOut",
    "EndedBy",
    "ErrorCode",
    "FencedInstance",
    "FoundOffset",
    "GroupNotEmpty",
    "GroupNotFound",
    "InvalidConfig",
    "InvalidRecord",
    "InvalidRequest",
    "InvalidTopic",
    "Lag",
    "NoDeadLetter",
    "NoOffset",
    "NotEnoughReplicas",
    "OdradekError",
    "OffsetOutOfRange",
    "PolicyViolation",
    "Producer",
    "ProducerClosed",
    "ProducerFenced",
    "ProducerHealth",
    "ProtocolError",
    "Record",
    "RecordTooLarge",
    "RequestTimedOut",
    "ResourceType",
    "Security",
    "SendAgain",
    "SerializationFailed",
    "Serializer",
    "ShareConsumer",
    "ShareConsumerHealth",
    "Shared",
    "Span",
    "Surroundings",
    "TcpNetwork",
    "Topic",
    "TopicAlreadyExists",
    "TopicDescription",
    "TopicPartition",
    "TransactionAbortable",
    "TransactionAborted",
    "TransactionOutcomeUnknown",
    "Undelivered",
    "UnknownTopicOrPartition",
    "UnsupportedVersion",
    "Waiting",
    "dead_letter",
    "exactly_once",
    "nullable",
    "process",
    "replay",
]

_HOMES = {
    "odradek.activity": "Waiting",
    "odradek.admin": "Admin ClusterDescription ConfigEntry ConfigSource ResourceType TopicDescription",
    "odradek.cluster.connections": "ConnectionHealth",
    "odradek.consumer": "Consumer ConsumerHealth",
    "odradek.consumer.attempts": "process",
    "odradek.consumer.dead_letters": "DeadLetter DeadLetterTopic dead_letter",
    "odradek.errors": (
        "AuthenticationFailed AuthorizationFailed BootstrapFailed BrokerError BufferFull CommitFailed "
        "ConnectionFailed CorruptRecords DeliveryTimedOut EndedBy FencedInstance GroupNotEmpty GroupNotFound "
        "InvalidConfig InvalidRecord InvalidRequest InvalidTopic NoOffset NotEnoughReplicas OdradekError "
        "OffsetOutOfRange PolicyViolation ProducerClosed ProducerFenced ProtocolError RecordTooLarge "
        "RequestTimedOut SerializationFailed TopicAlreadyExists TransactionAbortable TransactionAborted "
        "TransactionOutcomeUnknown Undelivered UnknownTopicOrPartition UnsupportedVersion"
    ),
    "odradek.batches": "exactly_once",
    "odradek.protocol.topic_partition": "TopicPartition",
    "odradek.network": "Surroundings TcpNetwork",
    "odradek.lag": "Lag Span",
    "odradek.offsets": "EARLIEST FoundOffset LATEST MAX_TIMESTAMP",
    "odradek.producer": "Delivered Delivery Producer ProducerHealth",
    "odradek.protocol.errors": "ErrorCode",
    "odradek.record": "Record",
    "odradek.replaying": "NoDeadLetter SendAgain replay",
    "odradek.security": "Security",
    "odradek.serializers": "Serializer nullable",
    "odradek.share": "Shared ShareConsumer ShareConsumerHealth",
    "odradek.topic": "Topic",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'odradek' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
