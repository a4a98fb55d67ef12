"""What the records of a share group say comes to pass, in whatever order compaction has left them."""

from __future__ import annotations

from msgspec import structs

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
)
from odradek_broker.groups.share.group import ShareGroup
from odradek_broker.groups.share.member import ShareMember, ShareTopic
from odradek_broker.groups.share.records import ShareGroupRecord
from odradek_broker.groups.step import Step
from odradek_broker.groups.timers import TimerKind


def replay(group: ShareGroup, record: ShareGroupRecord, step: Step) -> None:
    value = record.value
    match record.key:
        case ShareGroupMetadataKey():
            _replay_epoch(group, value)
        case ShareGroupMemberMetadataKey(member_id=member_id):
            _replay_member(group, member_id, value, step)
        case ShareGroupTargetAssignmentMetadataKey():
            _replay_target_metadata(group, value)
        case ShareGroupTargetAssignmentMemberKey(member_id=member_id):
            _replay_target(group, member_id, value)
        case ShareGroupCurrentMemberAssignmentKey(member_id=member_id):
            _replay_current(group, member_id, value)
        case ShareGroupStatePartitionMetadataKey():
            _replay_initialized(group, value)


def _replay_epoch(group: ShareGroup, value: object) -> None:
    if isinstance(value, ShareGroupMetadataValue):
        group.epoch, group.metadata_hash, group.recorded = value.epoch, value.metadata_hash, True
    else:
        group.recorded = False


def _replay_member(group: ShareGroup, member_id: str, value: object, step: Step) -> None:
    if not isinstance(value, ShareGroupMemberMetadataValue):
        group.members.pop(member_id, None)
        step.cancel_timer(TimerKind.SESSION, group.group_id, member_id)
        return
    group.members[member_id] = structs.replace(
        _known(group, member_id),
        rack_id=value.rack_id,
        client_id=value.client_id,
        client_host=value.client_host,
        subscribed_topic_names=frozenset(value.subscribed_topic_names),
    )


def _known(group: ShareGroup, member_id: str) -> ShareMember:
    return group.members.get(member_id) or ShareMember(member_id=member_id)


def _replay_target_metadata(group: ShareGroup, value: object) -> None:
    if isinstance(value, ShareGroupTargetAssignmentMetadataValue):
        group.assignment_epoch = value.assignment_epoch
    else:
        group.assignment_epoch = 0


def _replay_target(group: ShareGroup, member_id: str, value: object) -> None:
    if isinstance(value, ShareGroupTargetAssignmentMemberValue):
        group.targets[member_id] = {each.topic_id: frozenset(each.partitions) for each in value.topic_partitions}
    else:
        group.targets.pop(member_id, None)


def _replay_current(group: ShareGroup, member_id: str, value: object) -> None:
    if isinstance(value, ShareGroupCurrentMemberAssignmentValue):
        group.members[member_id] = structs.replace(
            _known(group, member_id),
            member_epoch=value.member_epoch,
            previous_member_epoch=value.previous_member_epoch,
            assigned={each.topic_id: frozenset(each.partitions) for each in value.assigned_partitions},
        )
    elif member_id in group.members:
        known = group.members[member_id]
        group.members[member_id] = structs.replace(known, member_epoch=0, previous_member_epoch=0, assigned={})


def _replay_initialized(group: ShareGroup, value: object) -> None:
    topics = value.initialized_topics if isinstance(value, ShareGroupStatePartitionMetadataValue) else ()
    group.initialized = {each.topic_id: ShareTopic(each.topic_name, frozenset(each.partitions)) for each in topics}
