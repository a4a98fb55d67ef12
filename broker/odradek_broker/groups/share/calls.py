"""What may be asked of share groups. Each call is (table, topics, step, ...), as GroupCoordinator.act has it.

Some of what is asked takes two calls, since share coordinators have to be asked in between: one that says what to ask
for, and one that takes note of the answer. What has changed meanwhile is looked at anew by the second.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.groups.share.group import ShareGroup
from odradek_broker.groups.share.heartbeat import (
    JOINING_EPOCH,
    LEAVING_EPOCH,
    ShareHeartbeatSender,
    heartbeat,
    refuse_malformed,
)
from odradek_broker.groups.share.member import ShareTopic
from odradek_broker.groups.share.records import epoch_record, initialized_record
from odradek_broker.groups.step import Step
from odradek_broker.groups.table import GroupTable
from odradek_broker.groups.topics import Topics


class Uninitialized(NamedTuple):
    """What is to be initialized before a member can be given it."""

    state_epoch: int
    topics: Mapping[bytes, ShareTopic]


NOTHING = Uninitialized(0, {})


def uninitialized(table: GroupTable, topics: Topics, _step: Step, request: ShareGroupHeartbeatRequest) -> Uninitialized:
    """Of the topics that the sender of a heartbeat subscribes to; nothing where the heartbeat will be refused."""
    try:
        refuse_malformed(request)
        group = _group(table, request)
    except ApiError:
        return NOTHING
    member = group.members.get(request.member_id)
    if request.member_epoch == LEAVING_EPOCH or (member is None and request.member_epoch != JOINING_EPOCH):
        return NOTHING
    names: Collection[str] = request.subscribed_topic_names or (member.subscribed_topic_names if member else ())
    missing = {}
    for name in names:
        topic = topics.get(name)
        if topic is None:
            continue
        known = group.initialized.get(topic.topic_id)
        left = frozenset(range(topic.partition_count)) - (known.partitions if known else frozenset())
        if left:
            missing[topic.topic_id] = ShareTopic(name, left)
    return Uninitialized(group.epoch, missing)


def share_heartbeat(
    table: GroupTable, topics: Topics, step: Step, request: ShareGroupHeartbeatRequest, sender: ShareHeartbeatSender
) -> ShareGroupHeartbeatResponse:
    try:
        refuse_malformed(request)
        return heartbeat(_group(table, request), request, sender, topics, step)
    except ApiError as refusal:
        return ShareGroupHeartbeatResponse(error_code=refusal.error_code, error_message=refusal.message)


def _group(table: GroupTable, request: ShareGroupHeartbeatRequest) -> ShareGroup:
    """The group, which may have to begin with this request. Raises ApiError."""
    group = table.groups.get(request.group_id)
    if isinstance(group, ShareGroup):
        return group
    if group is not None:
        raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {request.group_id} is not a share group.")
    if request.member_epoch != JOINING_EPOCH:
        raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Share group {request.group_id} not found.")
    return ShareGroup(request.group_id)


# ---------------------------------------------------------------------------------------------------------- offsets


def initialized(table: GroupTable, _topics: Topics, _step: Step, group_id: str) -> dict[bytes, ShareTopic] | ErrorCode:
    """The share partitions of a group."""
    group = table.groups.get(group_id)
    return dict(group.initialized) if isinstance(group, ShareGroup) else ErrorCode.GROUP_ID_NOT_FOUND


def may_change_offsets(table: GroupTable, _topics: Topics, _step: Step, group_id: str) -> int | ErrorCode:
    """The state epoch in which share partitions may begin anew. Nobody may be in the group; a new one may begin so."""
    group = table.groups.get(group_id) or ShareGroup(group_id)
    if not isinstance(group, ShareGroup):
        return ErrorCode.GROUP_ID_NOT_FOUND
    return group.epoch + 1 if group.is_empty else ErrorCode.NON_EMPTY_GROUP


def offsets_altered(
    table: GroupTable, _topics: Topics, step: Step, group_id: str, altered: Mapping[bytes, ShareTopic]
) -> ErrorCode:
    """Share partitions have begun anew."""
    return _note_initialized(table, step, group_id, lambda group: group.with_initialized(altered))


def offsets_deleted(
    table: GroupTable, _topics: Topics, step: Step, group_id: str, deleted: Collection[bytes]
) -> ErrorCode:
    """The share partitions of topics are no more."""
    return _note_initialized(
        table,
        step,
        group_id,
        lambda group: {each: topic for each, topic in group.initialized.items() if each not in deleted},
    )


def _note_initialized(
    table: GroupTable, step: Step, group_id: str, change: Callable[[ShareGroup], Mapping[bytes, ShareTopic]]
) -> ErrorCode:
    group = table.groups.get(group_id) or ShareGroup(group_id)
    if not isinstance(group, ShareGroup):
        return ErrorCode.GROUP_ID_NOT_FOUND
    step.records.append(epoch_record(group_id, group.epoch + 1, group.metadata_hash))
    step.records.append(initialized_record(group_id, change(group)))
    return ErrorCode.NONE
