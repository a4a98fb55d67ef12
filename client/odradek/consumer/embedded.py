"""What consumers tell each other through a group: subscriptions and assignments in Kafka's consumer protocol.

Both begin with an int16 version; a reader that knows a lower one reads what it knows and ignores the rest, so what we
write in version 3 is readable for all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from odradek.consumer.assignors.base import MemberSubscription
from odradek.protocol.codec import decode_prefix, encode
from odradek.protocol.messages import consumer_protocol as wire
from odradek.protocol.primitives import Buffer, ProtocolError
from odradek.protocol.topic_partition import TopicPartition

SUBSCRIPTION_VERSION = 3
ASSIGNMENT_VERSION = 0

_version = struct.Struct(">h")


def encode_subscription(
    topics: Sequence[str], owned: Iterable[TopicPartition], generation: int, rack: str | None
) -> bytes:
    """What a member joins with."""
    message = wire.ConsumerProtocolSubscription(
        topics=sorted(topics),
        user_data=_generation_of(generation),
        owned_partitions=_by_topic(owned),
        generation_id=generation,
        rack_id=rack,
    )
    return _version.pack(SUBSCRIPTION_VERSION) + encode(message, SUBSCRIPTION_VERSION)


def decode_subscription(member_id: str, instance_id: str | None, data: Buffer) -> MemberSubscription:
    """What another member joined with, whichever client it is. Raises ProtocolError."""
    version = min(_read_version(data), SUBSCRIPTION_VERSION)
    message, _ = decode_prefix(wire.ConsumerProtocolSubscription, data, version, _version.size)
    owned = tuple(TopicPartition(t.topic, p) for t in message.owned_partitions for p in t.partitions)
    return MemberSubscription(member_id, tuple(message.topics), owned, message.generation_id, instance_id)


def encode_assignment(partitions: Iterable[TopicPartition]) -> bytes:
    """What the leader gives a member."""
    message = wire.ConsumerProtocolAssignment(assigned_partitions=_by_topic(partitions), user_data=None)
    return _version.pack(ASSIGNMENT_VERSION) + encode(message, ASSIGNMENT_VERSION)


def decode_assignment(data: Buffer) -> list[TopicPartition]:
    """What the leader gave us; nothing where it is empty. Raises ProtocolError."""
    if not len(data):
        return []
    version = min(_read_version(data), ASSIGNMENT_VERSION)
    message, _ = decode_prefix(wire.ConsumerProtocolAssignment, data, version, _version.size)
    return [TopicPartition(t.topic, p) for t in message.assigned_partitions for p in t.partitions]


def _generation_of(generation: int) -> bytes | None:
    """Cooperative members of before version 2 look for the generation here."""
    return struct.pack(">i", generation) if generation >= 0 else None


def _by_topic(partitions: Iterable[TopicPartition]) -> list[wire.TopicPartition]:
    topics: dict[str, list[int]] = {}
    for partition in sorted(partitions):
        topics.setdefault(partition.topic, []).append(partition.partition)
    return [wire.TopicPartition(topic, indexes) for topic, indexes in topics.items()]


def _read_version(data: Buffer) -> int:
    if len(data) < _version.size:
        raise ProtocolError("consumer protocol: too short for a version")
    version: int = _version.unpack_from(data)[0]
    if version < 0:
        raise ProtocolError(f"consumer protocol: version {version}")
    return version
