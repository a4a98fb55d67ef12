"""What the records of a consumer group say comes to pass.

Records may come in an order that no coordinator has written, for compaction leaves the newest of each key: so a member
may be known by what it has before it is known by what it wants, and a tombstone may be for something that is not there.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from odradek.protocol.messages.consumer_group_records import (
    ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataValue,
    ConsumerGroupPartitionMetadataKey,
    ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
    TopicPartitions,
)
from odradek_broker.groups.consumer.group import FIRST_EPOCH, NEVER_MS, ConsumerGroup, ConsumerGroupState
from odradek_broker.groups.consumer.member import (
    LEAVING_EPOCH,
    NOTHING_HELD,
    ConsumerMember,
    MemberState,
    Partitions,
)
from odradek_broker.groups.consumer.records import ConsumerGroupRecord
from odradek_broker.groups.consumer.resolved_regex import ResolvedRegex
from odradek_broker.groups.consumer.timeouts import begin_session, cancel_timers, rebalance_clock
from odradek_broker.groups.step import Step
from odradek_broker.groups.timers import TimerKind


def replay(group: ConsumerGroup, record: ConsumerGroupRecord, step: Step) -> None:
    match record.key:
        case ConsumerGroupMemberMetadataKey(member_id=member_id):
            _replay_member(group, member_id, record.value, step)
        case ConsumerGroupCurrentMemberAssignmentKey(member_id=member_id):
            _replay_current(group, member_id, record.value, step)
        case ConsumerGroupTargetAssignmentMemberKey(member_id=member_id):
            _replay_target(group, member_id, record.value)
        case ConsumerGroupTargetAssignmentMetadataKey():
            _replay_target_metadata(group, record.value)
        case ConsumerGroupRegularExpressionKey(regular_expression=regex):
            _replay_regex(group, regex, record.value)
        case ConsumerGroupPartitionMetadataKey():
            group.has_partition_metadata = record.value is not None
        case _:
            _replay_epoch(group, record.value)


def _replay_epoch(group: ConsumerGroup, value: object) -> None:
    if isinstance(value, ConsumerGroupMetadataValue):
        group.epoch, group.metadata_hash, group.recorded = value.epoch, value.metadata_hash, True
    else:
        group.recorded = False


def _replay_member(group: ConsumerGroup, member_id: str, value: object, step: Step) -> None:
    if not isinstance(value, ConsumerGroupMemberMetadataValue):
        group.remove_member(member_id)
        cancel_timers(group.group_id, member_id, step)
        return
    group.put_member(
        structs.replace(
            _known(group, member_id),
            instance_id=value.instance_id,
            rack_id=value.rack_id,
            rebalance_timeout_ms=value.rebalance_timeout_ms,
            client_id=value.client_id,
            client_host=value.client_host,
            subscribed_topic_names=frozenset(value.subscribed_topic_names),
            subscribed_topic_regex=value.subscribed_topic_regex,
            server_assignor=value.server_assignor,
            classic=value.classic_member_metadata,
        )
    )
    if not step.has_timer(TimerKind.SESSION, group.group_id, member_id):
        begin_session(group, member_id, step)


def _known(group: ConsumerGroup, member_id: str) -> ConsumerMember:
    return group.members.get(member_id) or ConsumerMember(member_id=member_id)


def _replay_current(group: ConsumerGroup, member_id: str, value: object, step: Step) -> None:
    if isinstance(value, ConsumerGroupCurrentMemberAssignmentValue):
        member = structs.replace(
            _known(group, member_id),
            member_epoch=value.member_epoch,
            previous_member_epoch=value.previous_member_epoch,
            state=MemberState(value.state),
            assigned=_held(value.assigned_partitions, value.member_epoch),
            pending_revocation=_held(value.partitions_pending_revocation, value.member_epoch),
        )
        group.put_member(member)
        rebalance_clock(group, member, step)
        if group.history.current is not None and group.state is ConsumerGroupState.STABLE:
            group.history.ended(group.epoch, len(group.members), step.now.wall_ms)
    elif member_id in group.members:
        gone = {"member_epoch": LEAVING_EPOCH, "previous_member_epoch": LEAVING_EPOCH}
        held = {"assigned": NOTHING_HELD, "pending_revocation": NOTHING_HELD}
        group.put_member(structs.replace(group.members[member_id], **gone, **held))


def _held(topics: Sequence[TopicPartitions], member_epoch: int) -> Partitions:
    """Older coordinators did not write down in which epoch a partition was given: then it was in this one."""
    return {
        topic.topic_id: dict(
            zip(topic.partitions, topic.assignment_epochs, strict=True)
            if topic.assignment_epochs and len(topic.assignment_epochs) == len(topic.partitions)
            else zip(topic.partitions, [max(member_epoch, 0)] * len(topic.partitions), strict=True)
        )
        for topic in topics
    }


def _replay_target(group: ConsumerGroup, member_id: str, value: object) -> None:
    if isinstance(value, ConsumerGroupTargetAssignmentMemberValue):
        group.targets[member_id] = {
            each.topic_id: frozenset(each.partitions) for each in value.topic_partitions if each.partitions
        }
    else:
        group.targets.pop(member_id, None)


def _replay_target_metadata(group: ConsumerGroup, value: object) -> None:
    if isinstance(value, ConsumerGroupTargetAssignmentMetadataValue):
        group.assignment_epoch, group.assigned_at_ms = value.assignment_epoch, value.assignment_timestamp
    else:
        group.assignment_epoch, group.assigned_at_ms = FIRST_EPOCH, NEVER_MS


def _replay_regex(group: ConsumerGroup, regex: str, value: object) -> None:
    if isinstance(value, ConsumerGroupRegularExpressionValue):
        group.regexes[regex] = ResolvedRegex(frozenset(value.topics), value.version, value.timestamp)
    else:
        group.regexes.pop(regex, None)
