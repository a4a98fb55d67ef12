"""ShareGroupDescribe: what an operator wants to know of a share group."""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_group_describe import Assignment as DescribedAssignment
from odradek.protocol.messages.share_group_describe import DescribedGroup, TopicPartitions
from odradek.protocol.messages.share_group_describe import Member as DescribedMember
from odradek_broker.groups.assignors.spec import Assignment
from odradek_broker.groups.kinds import Group
from odradek_broker.groups.share.assignor import NAME
from odradek_broker.groups.share.group import ShareGroup
from odradek_broker.groups.share.member import ShareMember
from odradek_broker.groups.topics import Topics


def describe_share_group(group_id: str, group: Group | None, topics: Topics) -> DescribedGroup:
    """Only share groups are found."""
    if not isinstance(group, ShareGroup):
        why = "not found" if group is None else "is not a share group"
        return DescribedGroup(
            error_code=ErrorCode.GROUP_ID_NOT_FOUND,
            error_message=f"Group {group_id} {why}.",
            group_id=group_id,
        )
    return DescribedGroup(
        group_id=group_id,
        group_state=group.state,
        group_epoch=group.epoch,
        assignment_epoch=group.assignment_epoch,
        assignor_name=NAME,
        members=[_describe_member(each, topics) for each in group.members.values()],
    )


def _describe_member(member: ShareMember, topics: Topics) -> DescribedMember:
    return DescribedMember(
        member_id=member.member_id,
        rack_id=member.rack_id,
        member_epoch=member.member_epoch,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.subscribed_topic_names),
        assignment=_described(member.assigned, topics),
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
