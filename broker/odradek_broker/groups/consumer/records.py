"""The records of a consumer group in __consumer_offsets: kinds 3 to 8 and 16, in Kafka's format.

Written are those of Kafka 4.1 and later; of kind 4, which came before the hash, only tombstones.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from msgspec import Struct

from odradek.protocol.codec import decode
from odradek.protocol.messages.consumer_group_records import (
    ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue,
    ConsumerGroupPartitionMetadataKey,
    ConsumerGroupPartitionMetadataValue,
    ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
    TopicPartition,
    TopicPartitions,
)
from odradek.protocol.primitives import Buffer, ProtocolError
from odradek_broker.coordination.record import NUMBER_BYTES, CoordinatorRecord, framed, int16_at_front
from odradek_broker.groups.assignors.spec import Assignment
from odradek_broker.groups.consumer.embedded import subscription_of
from odradek_broker.groups.consumer.member import ConsumerMember, Partitions

if TYPE_CHECKING:
    from odradek_broker.groups.consumer.resolved_regex import ResolvedRegex

Key: TypeAlias = (
    ConsumerGroupMetadataKey
    | ConsumerGroupPartitionMetadataKey
    | ConsumerGroupMemberMetadataKey
    | ConsumerGroupTargetAssignmentMetadataKey
    | ConsumerGroupTargetAssignmentMemberKey
    | ConsumerGroupCurrentMemberAssignmentKey
    | ConsumerGroupRegularExpressionKey
)

_KINDS: dict[int, tuple[type[Key], type[Struct]]] = {
    3: (ConsumerGroupMetadataKey, ConsumerGroupMetadataValue),
    4: (ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue),
    5: (ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue),
    6: (ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue),
    7: (ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue),
    8: (ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue),
    16: (ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue),
}

KINDS = frozenset(_KINDS)

V = TypeVar("V", bound=Struct)


class ConsumerGroupRecord(Struct, frozen=True):
    """Something about a consumer group; without a value it is taken back."""

    key: Key
    value: Struct | None

    @property
    def group_id(self) -> str:
        return self.key.group_id


def read_consumer_record(kind: int, key: Buffer, value: Buffer | None) -> ConsumerGroupRecord:
    """Raises ProtocolError, also where a value is well-formed and cannot be acted upon."""
    key_class, value_class = _KINDS[kind]
    read_key = decode(key_class, key, 0, NUMBER_BYTES)
    if getattr(read_key, "member_id", None) == "":
        raise ProtocolError("a member without an id")
    if value is None:
        return ConsumerGroupRecord(read_key, None)
    version = int16_at_front(value)
    if version != 0:
        raise ProtocolError(f"{value_class.__name__} of the unknown version {version}")
    read = decode(value_class, value, version, NUMBER_BYTES)
    _refuse_senseless(read)
    return ConsumerGroupRecord(read_key, read)


def _refuse_senseless(value: Struct) -> None:
    """Raises ProtocolError, also where nobody could read what a member of the classic protocol says of itself."""
    match value:
        case ConsumerGroupMetadataValue(epoch=epoch) if epoch < 0:
            raise ProtocolError(f"a group of epoch {epoch}")
        case ConsumerGroupTargetAssignmentMetadataValue(assignment_epoch=epoch) if epoch < 0:
            raise ProtocolError(f"a target of epoch {epoch}")
        case ConsumerGroupMemberMetadataValue(classic_member_metadata=classic) if classic is not None:
            subscription_of(classic)
        case ConsumerGroupTargetAssignmentMemberValue(topic_partitions=topics):
            _refuse_negative(topics)
        case ConsumerGroupCurrentMemberAssignmentValue():
            _refuse_negative([*value.assigned_partitions, *value.partitions_pending_revocation])


def _refuse_negative(topics: Iterable[TopicPartition | TopicPartitions]) -> None:
    if any(number < 0 for topic in topics for number in topic.partitions):
        raise ProtocolError("a partition of a negative number")


def _record(key: Key, value: Struct | None = None) -> CoordinatorRecord:
    return CoordinatorRecord(framed(key.API_KEY, key, 0), None if value is None else framed(0, value, 0))


def epoch_record(group_id: str, epoch: int, metadata_hash: int) -> CoordinatorRecord:
    return _record(ConsumerGroupMetadataKey(group_id), ConsumerGroupMetadataValue(epoch, metadata_hash))


def epoch_tombstone(group_id: str) -> CoordinatorRecord:
    return _record(ConsumerGroupMetadataKey(group_id))


def partition_metadata_tombstone(group_id: str) -> CoordinatorRecord:
    return _record(ConsumerGroupPartitionMetadataKey(group_id))


def member_record(group_id: str, member: ConsumerMember) -> CoordinatorRecord:
    value = ConsumerGroupMemberMetadataValue(
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.subscribed_topic_names),
        subscribed_topic_regex=member.subscribed_topic_regex,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        server_assignor=member.server_assignor,
        classic_member_metadata=member.classic,
    )
    return _record(ConsumerGroupMemberMetadataKey(group_id, member.member_id), value)


def member_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    return _record(ConsumerGroupMemberMetadataKey(group_id, member_id))


def target_metadata_record(group_id: str, epoch: int, timestamp_ms: int) -> CoordinatorRecord:
    key = ConsumerGroupTargetAssignmentMetadataKey(group_id)
    return _record(key, ConsumerGroupTargetAssignmentMetadataValue(epoch, timestamp_ms))


def target_metadata_tombstone(group_id: str) -> CoordinatorRecord:
    return _record(ConsumerGroupTargetAssignmentMetadataKey(group_id))


def target_record(group_id: str, member_id: str, target: Assignment) -> CoordinatorRecord:
    key = ConsumerGroupTargetAssignmentMemberKey(group_id, member_id)
    topics = [TopicPartition(topic_id, sorted(partitions)) for topic_id, partitions in target.items()]
    return _record(key, ConsumerGroupTargetAssignmentMemberValue(topics))


def target_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    return _record(ConsumerGroupTargetAssignmentMemberKey(group_id, member_id))


def current_assignment_record(group_id: str, member: ConsumerMember) -> CoordinatorRecord:
    value = ConsumerGroupCurrentMemberAssignmentValue(
        member_epoch=member.member_epoch,
        previous_member_epoch=member.previous_member_epoch,
        state=member.state,
        assigned_partitions=_with_epochs(member.assigned),
        partitions_pending_revocation=_with_epochs(member.pending_revocation),
    )
    return _record(ConsumerGroupCurrentMemberAssignmentKey(group_id, member.member_id), value)


def current_assignment_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    return _record(ConsumerGroupCurrentMemberAssignmentKey(group_id, member_id))


def regex_record(group_id: str, regex: str, resolved: ResolvedRegex) -> CoordinatorRecord:
    value = ConsumerGroupRegularExpressionValue(sorted(resolved.topics), resolved.version, resolved.timestamp_ms)
    return _record(ConsumerGroupRegularExpressionKey(group_id, regex), value)


def regex_tombstone(group_id: str, regex: str) -> CoordinatorRecord:
    return _record(ConsumerGroupRegularExpressionKey(group_id, regex))


def removal_of(group_id: str, member_id: str) -> list[CoordinatorRecord]:
    """What takes a member out, in the order in which it can be replayed."""
    return [
        current_assignment_tombstone(group_id, member_id),
        target_tombstone(group_id, member_id),
        member_tombstone(group_id, member_id),
    ]


def _with_epochs(partitions: Partitions) -> list[TopicPartitions]:
    return [TopicPartitions(topic_id, list(epochs), list(epochs.values())) for topic_id, epochs in partitions.items()]
