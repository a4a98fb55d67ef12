"""ConsumerGroupDescribe: what an operator wants to know of a consumer group."""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_describe import (
    Assignment as DescribedAssignment,
)
from odradek.protocol.messages.consumer_group_describe import (
    DescribedGroup,
    TopicPartitions,
)
from odradek.protocol.messages.consumer_group_describe import (
    Member as DescribedMember,
)
from odradek_broker.groups.assignors.spec import NO_PARTITIONS, Assignment
from odradek_broker.groups.consumer.group import ConsumerGroup
from odradek_broker.groups.consumer.member import ConsumerMember, numbers_of
from odradek_broker.groups.kinds import Group
from odradek_broker.groups.topics import Topics

CLASSIC_MEMBER, CONSUMER_MEMBER = 0, 1


def describe_consumer_group(
    group_id: str, group: Group | None, topics: Topics, default_assignor: str
) -> DescribedGroup:
    """Only groups of this protocol are found."""
    if not isinstance(group, ConsumerGroup):
        why = "not found" if group is None else "is not a consumer group"
        message = f"Group {group_id} {why}."
        return DescribedGroup(error_code=ErrorCode.GROUP_ID_NOT_FOUND, error_message=message, group_id=group_id)
    return DescribedGroup(
        group_id=group_id,
        group_state=group.state,
        group_epoch=group.epoch,
        assignment_epoch=group.assignment_epoch,
        assignor_name=group.preferred_assignor(group.members.values()) or default_assignor,
        members=[_describe_member(each, group, topics) for each in group.members.values()],
    )


def _describe_member(member: ConsumerMember, group: ConsumerGroup, topics: Topics) -> DescribedMember:
    held: dict[bytes, frozenset[int]] = dict(numbers_of(member.assigned))
    for topic_id, partitions in numbers_of(member.pending_revocation).items():
        held[topic_id] = held.get(topic_id, frozenset()) | partitions
    return DescribedMember(
        member_id=member.member_id,
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        member_epoch=member.member_epoch,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.subscribed_topic_names),
        subscribed_topic_regex=member.subscribed_topic_regex,
        assignment=_described(held, topics),
        target_assignment=_described(group.targets.get(member.member_id, NO_PARTITIONS), topics),
        member_type=CLASSIC_MEMBER if member.uses_classic_protocol else CONSUMER_MEMBER,
    )


def _described(assignment: Assignment, topics: Topics) -> DescribedAssignment:
    """Of topics that are no more nothing is said."""
    return DescribedAssignment(
        [
            TopicPartitions(topic_id, name, sorted(partitions))
            for topic_id, partitions in assignment.items()
            if (name := topics.name_of(topic_id)) is not None
        ]
    )
