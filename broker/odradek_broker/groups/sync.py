"""SyncGroup and Heartbeat: what members of a generation ask for, until the next one."""

from __future__ import annotations

from collections.abc import Mapping

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from odradek_broker.groups.group import ClassicGroup, GroupState
from odradek_broker.groups.member import Member
from odradek_broker.groups.rebalance import answer_sync, assignment_of, set_session
from odradek_broker.groups.records import group_record
from odradek_broker.groups.step import Step
from odradek_broker.groups.timers import TimerKind


def sync(group: ClassicGroup, request: SyncGroupRequest, ticket: int, step: Step) -> SyncGroupResponse | None:
    """The answer, or None where it waits for the leader's assignment."""
    error = _check(group, request)
    if error:
        return SyncGroupResponse(error_code=error)
    member = group.members[request.member_id]
    if group.state is GroupState.STABLE:
        _has_synced(group, member, step)
        set_session(group, member, step)
        return assignment_of(group, member)
    if group.leader_id == member.member_id:
        return _assign(group, member, {each.member_id: each.assignment for each in request.assignments}, step)
    if member.sync_ticket is not None:
        # It asks a second time, on another connection; one request of a member waits at a time.
        answer_sync(group, member, step, ErrorCode.REBALANCE_IN_PROGRESS)
    member.sync_ticket = ticket
    _has_synced(group, member, step)
    return None


def _check(group: ClassicGroup, request: SyncGroupRequest) -> ErrorCode:
    error = group.check_member(request.member_id, request.group_instance_id)
    if error:
        return error
    if request.generation_id != group.generation:
        return ErrorCode.ILLEGAL_GENERATION
    for said, holds in (
        (request.protocol_type, group.protocol_type),
        (request.protocol_name, group.protocol_name),
    ):
        if said is not None and holds is not None and said != holds:
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    if group.state is GroupState.PREPARING_REBALANCE:
        return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE


def _assign(group: ClassicGroup, leader: Member, assignments: Mapping[str, bytes], step: Step) -> SyncGroupResponse:
    """The leader has divided the work: it holds, and the others are told, once the record is replayed."""
    set_session(group, leader, step)
    value = group.to_value(assignments, step.now.wall_ms)
    step.records.append(group_record(group.group_id, value))
    return SyncGroupResponse(
        protocol_type=group.protocol_type,
        protocol_name=group.protocol_name,
        assignment=assignments.get(leader.member_id, b""),
    )


def assignment_is_on_record(group: ClassicGroup, step: Step) -> None:
    """Give everybody who waits for it the assignment; one who is new by this record begins its session."""
    if group.leader_id is not None:
        _has_synced(group, group.members[group.leader_id], step)
    for member in group.members.values():
        if member.sync_ticket is not None:
            answer_sync(group, member, step, ErrorCode.NONE)
        elif not step.has_timer(TimerKind.SESSION, group.group_id, member.member_id):
            set_session(group, member, step)


def _has_synced(group: ClassicGroup, member: Member, step: Step) -> None:
    group.unsynced.discard(member.member_id)
    if not group.unsynced:
        step.cancel_timer(TimerKind.SYNC, group.group_id)


def heartbeat(group: ClassicGroup, request: HeartbeatRequest, step: Step) -> HeartbeatResponse:
    error = group.check_member(request.member_id, request.group_instance_id)
    if not error and request.generation_id != group.generation:
        error = ErrorCode.ILLEGAL_GENERATION
    if not error:
        set_session(group, group.members[request.member_id], step)
        if group.state is GroupState.PREPARING_REBALANCE:
            error = ErrorCode.REBALANCE_IN_PROGRESS
    return HeartbeatResponse(error_code=error)
