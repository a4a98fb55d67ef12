"""What consumers of the classic protocol say of themselves, and are told, inside of what the coordinator only carries.

Where such a member is in a group of the consumer protocol, the coordinator has to read the one and write the other.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from odradek.protocol.codec import decode_prefix, encode
from odradek.protocol.messages.consumer_group_records import ClassicMemberMetadata
from odradek.protocol.messages.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    TopicPartition,
)
from odradek.protocol.primitives import Buffer, ProtocolError
from odradek_broker.groups.assignors.spec import NO_PARTITIONS, Assignment
from odradek_broker.groups.topics import Topics

_version = struct.Struct(">h")


class Subscription(Struct, frozen=True):
    """A member, by its own words."""

    version: int
    topics: frozenset[str]
    owned: Mapping[str, frozenset[int]] = MappingProxyType({})
    rack_id: str | None = None


def read_subscription(metadata: Buffer) -> Subscription:
    """Raises ProtocolError."""
    version = _version_of(metadata)
    read = decode_prefix(ConsumerProtocolSubscription, metadata, _known(version), _version.size)[0]
    owned = {each.topic: frozenset(each.partitions) for each in read.owned_partitions}
    return Subscription(version, frozenset(read.topics), owned, read.rack_id or None)


def subscription_of(classic: ClassicMemberMetadata) -> Subscription:
    """All its protocols say the same, so the first is as good as any. Raises ProtocolError."""
    if not classic.supported_protocols:
        raise ProtocolError("a classic member without a protocol")
    return read_subscription(classic.supported_protocols[0].metadata)


def read_assignment(data: Buffer, topics: Topics) -> Assignment:
    """Topics that are no more are left out. Raises ProtocolError, also where it could not be recorded, and where an
    assignor has added words of its own: they would be lost."""
    if not data:
        return NO_PARTITIONS
    read = decode_prefix(ConsumerProtocolAssignment, data, _known(_version_of(data)), _version.size)[0]
    if read.user_data:
        raise ProtocolError("an assignor of the members' own")
    if any(number < 0 for each in read.assigned_partitions for number in each.partitions):
        raise ProtocolError("a partition of a negative number")
    return by_id({each.topic: frozenset(each.partitions) for each in read.assigned_partitions}, topics)


def write_assignment(assignment: Assignment, version: int, topics: Topics) -> bytes:
    known = _known(version)
    assigned = [
        TopicPartition(name, sorted(partitions))
        for topic_id, partitions in assignment.items()
        if (name := topics.name_of(topic_id)) is not None
    ]
    return _version.pack(known) + encode(ConsumerProtocolAssignment(assigned), known)


def by_id(assignment: Mapping[str, frozenset[int]], topics: Topics) -> Assignment:
    return {
        topic.topic_id: partitions
        for name, partitions in assignment.items()
        if partitions and (topic := topics.get(name)) is not None
    }


def _version_of(data: Buffer) -> int:
    if len(data) < _version.size:
        raise ProtocolError("words of a consumer without a version")
    version: int = _version.unpack_from(data)[0]
    if version < 0:
        raise ProtocolError("words of a consumer of a negative version")
    return version


def _known(version: int) -> int:
    """Later versions go on from earlier ones, so what is newer is read as the newest that is known."""
    return min(version, ConsumerProtocolSubscription.VERSIONS.stop - 1)
