"""The records of __consumer_offsets, as bytes and as what they mean.

A key is an int16 that says what the record is about, then its body; a value is an int16 version, then its body; a null
value takes back what earlier records of the same key said. Values are written in the versions that Kafka's own brokers
write (KIP-915): offsets in version 3, or 1 where a client has asked for a retention of its own; groups in version 3.

Invariant: what `read_record` returns can be acted upon and written down again, whoever wrote it. A record may be
well-formed and mean nothing; that raises ProtocolError.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from msgspec import Struct

from odradek.protocol.codec import decode
from odradek.protocol.messages.group_metadata import (
    GroupMetadataKey,
    GroupMetadataValue,
    OffsetCommitKey,
    OffsetCommitValue,
)
from odradek.protocol.primitives import Buffer, ProtocolError
from odradek_broker.coordination.record import NUMBER_BYTES, CoordinatorRecord, framed, int16_at_front
from odradek_broker.groups.consumer.records import KINDS as CONSUMER_GROUP_KINDS
from odradek_broker.groups.consumer.records import ConsumerGroupRecord, read_consumer_record
from odradek_broker.groups.share.records import KINDS as SHARE_GROUP_KINDS
from odradek_broker.groups.share.records import ShareGroupRecord, read_share_record

GROUP_VALUE_VERSION = 3
OFFSET_VALUE_VERSION = 3
OFFSET_VALUE_VERSION_WITH_EXPIRY = 1

V = TypeVar("V", OffsetCommitValue, GroupMetadataValue)

_OFFSET_KINDS = (0, OffsetCommitKey.API_KEY)


class OffsetRecord(Struct, frozen=True):
    """A group has committed an offset; or, without a value, has none any longer."""

    group_id: str
    topic: str
    partition: int
    value: OffsetCommitValue | None


class GroupRecord(Struct, frozen=True):
    """A group has reached a generation; or, without a value, is no more."""

    group_id: str
    value: GroupMetadataValue | None


GroupTopicRecord: TypeAlias = OffsetRecord | GroupRecord | ConsumerGroupRecord | ShareGroupRecord


def offset_record(group_id: str, topic: str, partition: int, value: OffsetCommitValue | None) -> CoordinatorRecord:
    key = OffsetCommitKey(group_id, topic, partition)
    if value is None:
        return CoordinatorRecord(framed(OffsetCommitKey.API_KEY, key, 0), None)
    version = OFFSET_VALUE_VERSION if value.expire_timestamp == -1 else OFFSET_VALUE_VERSION_WITH_EXPIRY
    return CoordinatorRecord(framed(OffsetCommitKey.API_KEY, key, 0), framed(version, value, version))


def group_record(group_id: str, value: GroupMetadataValue | None) -> CoordinatorRecord:
    key = framed(GroupMetadataKey.API_KEY, GroupMetadataKey(group_id), 0)
    return CoordinatorRecord(key, None if value is None else framed(GROUP_VALUE_VERSION, value, GROUP_VALUE_VERSION))


def read_record(key: Buffer, value: Buffer | None) -> GroupTopicRecord | None:
    """What a record says; None where it is of a kind that this coordinator has no part in.

    Raises ProtocolError where it is none of Kafka's records, or none that can be acted upon.
    """
    kind = int16_at_front(key)
    if kind in _OFFSET_KINDS:
        offset_key = decode(OffsetCommitKey, key, 0, NUMBER_BYTES)
        return OffsetRecord(
            offset_key.group,
            offset_key.topic,
            offset_key.partition,
            None if value is None else _body(OffsetCommitValue, value),
        )
    if kind == GroupMetadataKey.API_KEY:
        return GroupRecord(
            decode(GroupMetadataKey, key, 0, NUMBER_BYTES).group,
            None if value is None else _group_value(value),
        )
    if kind in CONSUMER_GROUP_KINDS:
        return read_consumer_record(kind, key, value)
    if kind in SHARE_GROUP_KINDS:
        return read_share_record(kind, key, value)
    return None


def subject_of(key: Buffer) -> tuple[str, str]:
    """Of which group a record is, whatever its value says, and of what in it: a partition such as "t-0", or ""."""
    kind = int16_at_front(key)
    if kind in _OFFSET_KINDS:
        offset_key = decode(OffsetCommitKey, key, 0, NUMBER_BYTES)
        return offset_key.group, f"{offset_key.topic}-{offset_key.partition}"
    if kind == GroupMetadataKey.API_KEY:
        return decode(GroupMetadataKey, key, 0, NUMBER_BYTES).group, ""
    if kind in CONSUMER_GROUP_KINDS:
        return read_consumer_record(kind, key, None).group_id, ""
    if kind in SHARE_GROUP_KINDS:
        return read_share_record(kind, key, None).group_id, ""
    raise ProtocolError(f"a record of the unknown kind {kind}")


def _group_value(value: Buffer) -> GroupMetadataValue:
    read = _body(GroupMetadataValue, value)
    fault = _fault_of(read)
    if fault is not None:
        raise ProtocolError(f"a group {fault}")
    return read


def _fault_of(group: GroupMetadataValue) -> str | None:
    """What keeps a group from being what the record says; None where nothing does."""
    members = group.members
    instances = [each.group_instance_id for each in members if each.group_instance_id is not None]
    if group.generation < 0:
        return f"of generation {group.generation}"
    if members and (not group.protocol_type or group.protocol is None):
        return "of members without a protocol"
    if len({each.member_id for each in members}) < len(members) or len(set(instances)) < len(instances):
        return "that has a member twice"
    return None if all(each.member_id for each in members) else "of a member without an id"


def _body(cls: type[V], value: Buffer) -> V:
    version = int16_at_front(value)
    if version not in cls.VERSIONS:
        raise ProtocolError(f"{cls.__name__} of the unknown version {version}")
    return decode(cls, value, version, NUMBER_BYTES)
