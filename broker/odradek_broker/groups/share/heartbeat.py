"""ShareGroupHeartbeat: join, stay, leave. Kafka: GroupMetadataManager.shareGroupHeartbeat.

    1. The member is created, or takes note of what has changed. That, other metadata, or other partitions that can be
       shared raise the group's epoch.
    2. Where the group's epoch is above the target's, a new target is computed.
    3. The member has its target at once: partitions are not taken from one member to be given to another.

All of it is one decision and one batch of records. Before it, whoever hosts this has had initialized what can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_group_heartbeat import (
    Assignment as AnsweredAssignment,
)
from odradek.protocol.messages.share_group_heartbeat import (
    ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse,
    TopicPartitions,
)
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.coordination.record import fits
from odradek_broker.groups.assignors.spec import NO_PARTITIONS, Assignment
from odradek_broker.groups.share import assignor
from odradek_broker.groups.share.group import ShareGroup
from odradek_broker.groups.share.member import LONGEST_MEMBER_ID, ShareMember, ShareTopic
from odradek_broker.groups.share.records import (
    current_assignment_record,
    epoch_record,
    initialized_record,
    member_record,
    removal_of,
    target_metadata_record,
    target_record,
)
from odradek_broker.groups.step import Step
from odradek_broker.groups.timers import TimerKind
from odradek_broker.groups.topics import Topics, metadata_hash

JOINING_EPOCH, LEAVING_EPOCH = 0, -1


class ShareHeartbeatSender(Struct, frozen=True, kw_only=True):
    """Who sends a ShareGroupHeartbeat, and what holds for its group."""

    client_id: str = ""
    client_host: str = ""
    session_timeout_ms: int = 45_000
    heartbeat_interval_ms: int = 5_000
    max_size: int = 200
    initialized: Mapping[bytes, ShareTopic] = {}
    """What has been initialized just now."""


def refuse_malformed(request: ShareGroupHeartbeatRequest) -> None:
    """Raises ApiError."""
    for fault in _faults(request):
        raise ApiError(ErrorCode.INVALID_REQUEST, fault)


def _faults(request: ShareGroupHeartbeatRequest) -> Iterable[str]:
    names = request.subscribed_topic_names
    if not request.member_id:
        yield "MemberId can't be empty."
    if len(request.member_id) > LONGEST_MEMBER_ID:
        yield f"MemberId can't be longer than {LONGEST_MEMBER_ID} characters."
    if not request.group_id:
        yield "GroupId can't be empty."
    if request.rack_id == "":
        yield "RackId can't be empty."
    if request.member_epoch == JOINING_EPOCH and not names:
        yield "SubscribedTopicNames must be set in first request."
    if request.member_epoch < LEAVING_EPOCH:
        yield "MemberEpoch is invalid."
    if not fits(request.group_id, request.member_id, request.rack_id, *(names or ())):
        yield "A name is longer than could be recorded."


def heartbeat(
    group: ShareGroup, request: ShareGroupHeartbeatRequest, sender: ShareHeartbeatSender, topics: Topics, step: Step
) -> ShareGroupHeartbeatResponse:
    """Raises ApiError."""
    if request.member_epoch == LEAVING_EPOCH:
        return _leave(group, request.member_id, topics, step)
    former = _find_or_admit(group, request, sender.max_size)
    member = _as_it_is_now(former, request, sender)
    if member != former or request.member_id not in group.members:
        step.records.append(member_record(group.group_id, member))
    members = {**group.members, member.member_id: member}
    epoch = _epoch(group, members, former, sender.initialized, topics, step)
    assignment_epoch, target = _target(group, members, member, epoch, sender.initialized, topics, step)
    moved = _moved(member, assignment_epoch, target)
    if moved != member or member.member_id not in group.members:
        step.records.append(current_assignment_record(group.group_id, moved))
    step.set_timer(TimerKind.SESSION, sender.session_timeout_ms, group.group_id, member.member_id)
    is_told = request.subscribed_topic_names is not None or moved.assigned != former.assigned
    return ShareGroupHeartbeatResponse(
        member_id=member.member_id,
        member_epoch=moved.member_epoch,
        heartbeat_interval_ms=sender.heartbeat_interval_ms,
        assignment=_answered(moved.assigned) if is_told or request.member_epoch == JOINING_EPOCH else None,
    )


def _find_or_admit(group: ShareGroup, request: ShareGroupHeartbeatRequest, max_size: int) -> ShareMember:
    """The member as it was before this request. Raises ApiError."""
    member = group.members.get(request.member_id)
    if request.member_epoch == JOINING_EPOCH:
        if member is None and len(group.members) >= max_size:
            why = f"The share group has reached its maximum capacity of {max_size} members."
            raise ApiError(ErrorCode.GROUP_MAX_SIZE_REACHED, why)
        return member or ShareMember(member_id=request.member_id)
    if member is None:
        raise _unknown(group, request.member_id)
    known, epoch = member.member_epoch, request.member_epoch
    if epoch != known and (epoch > known or epoch != member.previous_member_epoch):
        relation = "greater" if epoch > known else "smaller"
        raise ApiError(
            ErrorCode.FENCED_MEMBER_EPOCH,
            f"The share group member has a {relation} member epoch ({epoch}) than the one known by the group "
            f"coordinator ({known}). The member must abandon all its partitions and rejoin.",
        )
    return member


def _unknown(group: ShareGroup, member_id: str) -> ApiError:
    return ApiError(ErrorCode.UNKNOWN_MEMBER_ID, f"Member {member_id} is not a member of group {group.group_id}.")


def _as_it_is_now(
    member: ShareMember, request: ShareGroupHeartbeatRequest, sender: ShareHeartbeatSender
) -> ShareMember:
    names = request.subscribed_topic_names
    return structs.replace(
        member,
        rack_id=member.rack_id if request.rack_id is None else request.rack_id,
        subscribed_topic_names=member.subscribed_topic_names if names is None else frozenset(names),
        client_id=sender.client_id,
        client_host=sender.client_host,
    )


def _epoch(
    group: ShareGroup,
    members: Mapping[str, ShareMember],
    former: ShareMember,
    initialized: Mapping[bytes, ShareTopic],
    topics: Topics,
    step: Step,
) -> int:
    """The group's, raised where something has changed that the target follows from."""
    known = {topic_id: each for topic_id, each in group.initialized.items() if topics.name_of(topic_id) == each.name}
    merged = group.with_initialized(initialized)
    if merged != group.initialized or known.keys() != group.initialized.keys():
        kept = {each: topic for each, topic in merged.items() if topics.name_of(each) == topic.name}
        step.records.append(initialized_record(group.group_id, kept))
    new_hash = metadata_hash(_names(members.values()), topics)
    member = members[former.member_id]
    if (
        member.member_id in group.members
        and member.subscribed_topic_names == former.subscribed_topic_names
        and new_hash == group.metadata_hash
        and merged == group.initialized
        and group.recorded
    ):
        return group.epoch
    step.records.append(epoch_record(group.group_id, group.epoch + 1, new_hash))
    return group.epoch + 1


def _names(members: Iterable[ShareMember]) -> frozenset[str]:
    return frozenset().union(*(each.subscribed_topic_names for each in members))


def _target(
    group: ShareGroup,
    members: Mapping[str, ShareMember],
    member: ShareMember,
    epoch: int,
    initialized: Mapping[bytes, ShareTopic],
    topics: Topics,
    step: Step,
) -> tuple[int, Assignment]:
    """The epoch that all members are to come to, and what the member is to have then."""
    if epoch <= group.assignment_epoch:
        return group.assignment_epoch, group.targets.get(member.member_id, NO_PARTITIONS)
    wanted = {each.member_id: _topic_ids(each, topics) for each in members.values()}
    shared = {each: topic.partitions for each, topic in group.with_initialized(initialized).items()}
    targets = assignor.assign(wanted, shared)
    step.records += [
        target_record(group.group_id, member_id, target)
        for member_id, target in targets.items()
        if group.targets.get(member_id) != target
    ]
    step.records.append(target_metadata_record(group.group_id, epoch, step.now.wall_ms))
    return epoch, targets[member.member_id]


def _topic_ids(member: ShareMember, topics: Topics) -> frozenset[bytes]:
    found = (topics.get(name) for name in member.subscribed_topic_names)
    return frozenset(topic.topic_id for topic in found if topic is not None)


def _moved(member: ShareMember, epoch: int, target: Assignment) -> ShareMember:
    if member.member_epoch == epoch and member.assigned == target:
        return member
    before = member.member_epoch if member.member_epoch != epoch else member.previous_member_epoch
    return structs.replace(member, member_epoch=epoch, previous_member_epoch=before, assigned=target)


def _answered(assignment: Assignment) -> AnsweredAssignment:
    return AnsweredAssignment(
        [TopicPartitions(topic_id, sorted(partitions)) for topic_id, partitions in assignment.items()]
    )


# ---------------------------------------------------------------------------------------------------------- leaving


def _leave(group: ShareGroup, member_id: str, topics: Topics, step: Step) -> ShareGroupHeartbeatResponse:
    if member_id not in group.members:
        raise _unknown(group, member_id)
    _remove(group, member_id, topics, step)
    return ShareGroupHeartbeatResponse(member_id=member_id, member_epoch=LEAVING_EPOCH)


def session_over(group: ShareGroup, member_id: str, topics: Topics, step: Step) -> None:
    """The member has not been heard of for its session."""
    if member_id in group.members:
        step.notes.append(f"share group {group.group_id!r}: member {member_id} was silent for too long, and is removed")
        _remove(group, member_id, topics, step)


def _remove(group: ShareGroup, member_id: str, topics: Topics, step: Step) -> None:
    step.records += removal_of(group.group_id, member_id)
    left = [each for each in group.members.values() if each.member_id != member_id]
    epoch = group.epoch + 1
    step.records.append(epoch_record(group.group_id, epoch, metadata_hash(_names(left), topics)))
    if not left:
        step.records.append(target_metadata_record(group.group_id, epoch, step.now.wall_ms))
