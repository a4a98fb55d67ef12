"""Members go: of their own will, because they were silent for too long, or because they stood in the others' way."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.groups.consumer.group import NEVER_MS, ConsumerGroup
from odradek_broker.groups.consumer.member import (
    LEAVING_FOR_A_WHILE_EPOCH,
    NOTHING_HELD,
    ConsumerMember,
    MemberState,
)
from odradek_broker.groups.consumer.migration import downgrade, is_to_be_downgraded
from odradek_broker.groups.consumer.records import (
    current_assignment_record,
    epoch_record,
    regex_tombstone,
    removal_of,
    target_metadata_record,
)
from odradek_broker.groups.consumer.timeouts import session_ms
from odradek_broker.groups.history import Cause
from odradek_broker.groups.step import Step
from odradek_broker.groups.timers import TimerKind
from odradek_broker.groups.topics import Topics, metadata_hash


def leave(
    group: ConsumerGroup, request: ConsumerGroupHeartbeatRequest, topics: Topics, step: Step
) -> ConsumerGroupHeartbeatResponse:
    """Raises ApiError."""
    member = find_member(group, request.member_id, request.instance_id)
    if request.member_epoch == LEAVING_FOR_A_WHILE_EPOCH:
        step.records.append(current_assignment_record(group.group_id, _away(member)))
    else:
        fence(group, [member], Cause.by(member, "has left"), topics, step)
    return ConsumerGroupHeartbeatResponse(member_id=request.member_id, member_epoch=request.member_epoch)


def _away(member: ConsumerMember) -> ConsumerMember:
    """A static member that restarts keeps its place for the length of a session; it has given up what it was to."""
    assigned = {topic_id: dict.fromkeys(epochs, 0) for topic_id, epochs in member.assigned.items()}
    return structs.replace(
        member, member_epoch=LEAVING_FOR_A_WHILE_EPOCH, assigned=assigned, pending_revocation=NOTHING_HELD
    )


def find_member(group: ConsumerGroup, member_id: str, instance_id: str | None) -> ConsumerMember:
    """Raises ApiError."""
    if instance_id is not None:
        owner_id = group.static_members.get(instance_id)
        if owner_id is None:
            raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")
        if owner_id != member_id:
            raise ApiError(
                ErrorCode.FENCED_INSTANCE_ID,
                f"Static member {member_id} with instance id {instance_id} was fenced by member {owner_id}.",
            )
    member = group.members.get(member_id)
    if member is None:
        raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID, f"Member {member_id} is not a member of group {group.group_id}.")
    return member


def fence(group: ConsumerGroup, leaving: Iterable[ConsumerMember], cause: Cause, topics: Topics, step: Step) -> None:
    """Remove members, and let the group begin a new epoch without them."""
    gone = {member.member_id: member for member in leaving}
    if not gone:
        return
    left = [member for member_id, member in group.members.items() if member_id not in gone]
    if is_to_be_downgraded(group, left, step):
        downgrade(group, left, topics, step)
        return
    for member_id in gone:
        step.records += removal_of(group.group_id, member_id)
    wanted = {member.subscribed_topic_regex for member in left}
    dropped = {member.subscribed_topic_regex for member in gone.values()} - wanted
    step.records += [regex_tombstone(group.group_id, each) for each in sorted(filter(None, dropped))]
    epoch = group.next_epoch
    group.history.began(cause, step.now.wall_ms, epoch)
    step.records.append(epoch_record(group.group_id, epoch, metadata_hash(group.topics_of(left), topics)))
    if not left:
        group.history.ended(epoch, 0, step.now.wall_ms)
        step.records.append(target_metadata_record(group.group_id, epoch, NEVER_MS))


AGAIN_MS = 500
"""A removal that could not be recorded is tried again. The record of one that could ends all timers of the member."""


def session_over(group: ConsumerGroup, member_id: str, topics: Topics, step: Step) -> None:
    """The member has not been heard of for its session."""
    member = group.members.get(member_id)
    if member is not None:
        what = f"was silent for {session_ms(group, member, step) / 1000:g} s"
        step.notes.append(f"group {group.group_id!r}: member {member_id} {what}, and is removed")
        step.set_timer(TimerKind.SESSION, AGAIN_MS, group.group_id, member_id)
        fence(group, [member], Cause.by(member, what), topics, step)


def rebalance_time_over(group: ConsumerGroup, member_id: str, topics: Topics, step: Step) -> None:
    """The member has had its rebalance timeout to give up partitions, while others wait for them.

    One that speaks the classic protocol: to join again, or to ask for its assignment.
    """
    member = group.members.get(member_id)
    if member is not None and (member.uses_classic_protocol or member.state is MemberState.UNREVOKED_PARTITIONS):
        did = "joined and synchronized" if member.uses_classic_protocol else "given up its partitions"
        what = f"has not {did} within {member.rebalance_timeout_ms / 1000:g} s"
        step.notes.append(
            f"group {group.group_id!r}: member {member_id} at {member.client_host} {what}, and is removed"
        )
        step.set_timer(TimerKind.REBALANCE, AGAIN_MS, group.group_id, member_id)
        fence(group, [member], Cause.by(member, what), topics, step)
