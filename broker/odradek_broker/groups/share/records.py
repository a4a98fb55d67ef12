"""The records of a share group in __consumer_offsets: kinds 10 to 15, in Kafka's format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from odradek.protocol.codec import decode
from odradek.protocol.messages.share_group_records import (
    ShareGroupCurrentMemberAssignmentKey,
    ShareGroupCurrentMemberAssignmentValue,
    ShareGroupMemberMetadataKey,
    ShareGroupMemberMetadataValue,
    ShareGroupMetadataKey,
    ShareGroupMetadataValue,
    ShareGroupStatePartitionMetadataKey,
    ShareGroupStatePartitionMetadataValue,
    ShareGroupTargetAssignmentMemberKey,
    ShareGroupTargetAssignmentMemberValue,
    ShareGroupTargetAssignmentMetadataKey,
    ShareGroupTargetAssignmentMetadataValue,
    TopicPartition,
    TopicPartitions,
    TopicPartitionsInfo,
)
from odradek.protocol.primitives import Buffer, ProtocolError
from odradek_broker.coordination.record import NUMBER_BYTES, CoordinatorRecord, framed, int16_at_front
from odradek_broker.groups.assignors.spec import Assignment
from odradek_broker.groups.share.member import ShareMember, ShareTopic

Key: TypeAlias = (
    ShareGroupMetadataKey
    | ShareGroupMemberMetadataKey
    | ShareGroupTargetAssignmentMetadataKey
    | ShareGroupTargetAssignmentMemberKey
    | ShareGroupCurrentMemberAssignmentKey
    | ShareGroupStatePartitionMetadataKey
)

_KINDS: dict[int, tuple[type[Key], type[Struct]]] = {
    10: (ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue),
    11: (ShareGroupMetadataKey, ShareGroupMetadataValue),
    12: (ShareGroupTargetAssignmentMetadataKey, ShareGroupTargetAssignmentMetadataValue),
    13: (ShareGroupTargetAssignmentMemberKey, ShareGroupTargetAssignmentMemberValue),
    14: (ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue),
    15: (ShareGroupStatePartitionMetadataKey, ShareGroupStatePartitionMetadataValue),
}

KINDS = frozenset(_KINDS)


class ShareGroupRecord(Struct, frozen=True):
    """Something about a share group; without a value it is taken back."""

    key: Key
    value: Struct | None

    @property
    def group_id(self) -> str:
        return self.key.group_id


def read_share_record(kind: int, key: Buffer, value: Buffer | None) -> ShareGroupRecord:
    """Raises ProtocolError."""
    key_class, value_class = _KINDS[kind]
    read_key = decode(key_class, key, 0, NUMBER_BYTES)
    if value is None:
        return ShareGroupRecord(read_key, None)
    version = int16_at_front(value)
    if version != 0:
        raise ProtocolError(f"{value_class.__name__} of the unknown version {version}")
    return ShareGroupRecord(read_key, decode(value_class, value, version, NUMBER_BYTES))


def _record(key: Key, value: Struct | None = None) -> CoordinatorRecord:
    return CoordinatorRecord(framed(key.API_KEY, key, 0), None if value is None else framed(0, value, 0))


def epoch_record(group_id: str, epoch: int, metadata_hash: int) -> CoordinatorRecord:
    return _record(ShareGroupMetadataKey(group_id), ShareGroupMetadataValue(epoch, metadata_hash))


def epoch_tombstone(group_id: str) -> CoordinatorRecord:
    return _record(ShareGroupMetadataKey(group_id))


def member_record(group_id: str, member: ShareMember) -> CoordinatorRecord:
    value = ShareGroupMemberMetadataValue(
        rack_id=member.rack_id,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.subscribed_topic_names),
    )
    return _record(ShareGroupMemberMetadataKey(group_id, member.member_id), value)


def member_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    return _record(ShareGroupMemberMetadataKey(group_id, member_id))


def target_metadata_record(group_id: str, epoch: int, timestamp_ms: int) -> CoordinatorRecord:
    key = ShareGroupTargetAssignmentMetadataKey(group_id)
    return _record(key, ShareGroupTargetAssignmentMetadataValue(epoch, timestamp_ms))


def target_metadata_tombstone(group_id: str) -> CoordinatorRecord:
    return _record(ShareGroupTargetAssignmentMetadataKey(group_id))


def target_record(group_id: str, member_id: str, target: Assignment) -> CoordinatorRecord:
    key = ShareGroupTargetAssignmentMemberKey(group_id, member_id)
    topics = [TopicPartition(topic_id, sorted(partitions)) for topic_id, partitions in target.items()]
    return _record(key, ShareGroupTargetAssignmentMemberValue(topics))


def target_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    return _record(ShareGroupTargetAssignmentMemberKey(group_id, member_id))


def current_assignment_record(group_id: str, member: ShareMember) -> CoordinatorRecord:
    value = ShareGroupCurrentMemberAssignmentValue(
        member_epoch=member.member_epoch,
        previous_member_epoch=member.previous_member_epoch,
        assigned_partitions=[
            TopicPartitions(topic_id, sorted(partitions)) for topic_id, partitions in member.assigned.items()
        ],
    )
    return _record(ShareGroupCurrentMemberAssignmentKey(group_id, member.member_id), value)


def current_assignment_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    return _record(ShareGroupCurrentMemberAssignmentKey(group_id, member_id))


def initialized_record(group_id: str, topics: Mapping[bytes, ShareTopic]) -> CoordinatorRecord:
    infos = [TopicPartitionsInfo(topic_id, each.name, sorted(each.partitions)) for topic_id, each in topics.items()]
    return _record(
        ShareGroupStatePartitionMetadataKey(group_id), ShareGroupStatePartitionMetadataValue(initialized_topics=infos)
    )


def initialized_tombstone(group_id: str) -> CoordinatorRecord:
    return _record(ShareGroupStatePartitionMetadataKey(group_id))


def removal_of(group_id: str, member_id: str) -> list[CoordinatorRecord]:
    """What takes a member out, in the order in which it can be replayed."""
    return [
        current_assignment_tombstone(group_id, member_id),
        target_tombstone(group_id, member_id),
        member_tombstone(group_id, member_id),
    ]
