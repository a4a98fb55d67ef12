"""How a group gets from one generation to the next: everybody is asked to join again, then a generation begins.

A rebalance ends when all members have joined, or when the slowest of them has had its rebalance timeout: who has not
joined by then is removed, unless it is a static member. The first rebalance of an empty group ends after
group.initial.rebalance.delay.ms instead, prolonged as long as newcomers keep arriving, so that a hundred consumers
started together make one generation and not a hundred (KIP-134).
"""

from __future__ import annotations

from collections.abc import Iterable

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from odradek.protocol.messages.sync_group import SyncGroupResponse
from odradek_broker.groups.group import ClassicGroup, GroupState
from odradek_broker.groups.history import Cause
from odradek_broker.groups.member import Member
from odradek_broker.groups.records import group_record
from odradek_broker.groups.step import Step
from odradek_broker.groups.timers import TimerKind

NAMES_SAID = 3


def prepare_or_complete(group: ClassicGroup, cause: Cause, step: Step) -> None:
    """A member has joined, or wants something else: begin a rebalance, or see whether the one at work is done."""
    if group.state is GroupState.PREPARING_REBALANCE:
        maybe_complete_join(group, step)
    else:
        prepare_rebalance(group, cause, step)


def prepare_rebalance(group: ClassicGroup, cause: Cause, step: Step) -> None:
    """Ask everybody to join again."""
    group.history.began(cause, step.now.wall_ms)
    for member in group.members.values():
        if member.sync_ticket is not None:
            answer_sync(group, member, step, ErrorCode.REBALANCE_IN_PROGRESS)
    step.cancel_timer(TimerKind.SYNC, group.group_id)
    group.unsynced.clear()
    was_empty = group.state is GroupState.EMPTY
    group.transition_to(GroupState.PREPARING_REBALANCE, step.now.wall_ms)
    if was_empty and step.settings.group_initial_rebalance_delay_ms > 0:
        group.is_first_rebalance = True
        group.initial_delay_left_ms = group.rebalance_timeout_ms
        _wait_for_newcomers(group, step)
    elif was_empty or group.all_joined:
        complete_join(group, step)
    else:
        step.set_timer(TimerKind.REBALANCE, group.rebalance_timeout_ms, group.group_id)
        _say_who_is_waited_for(group, step)


def _say_who_is_waited_for(group: ClassicGroup, step: Step) -> None:
    """Who has joined sees nothing but silence until the others have, or have been silent for their sessions: a consumer
    that was killed and is started again waits for its former self."""
    awaited = {each.member_id: each.client_host for each in group.members.values() if each.join_ticket is None}
    awaited |= dict.fromkeys(group.reserved, "?")
    session_ms = max(step.left_ms(TimerKind.SESSION, group.group_id, member_id) for member_id in awaited)
    at_most_ms = min(session_ms, step.left_ms(TimerKind.REBALANCE, group.group_id))
    count = len(group.members) + len(group.reserved)
    names = ", ".join(f"{member_id} at {host}" for member_id, host in list(awaited.items())[:NAMES_SAID])
    more = ", ..." if len(awaited) > NAMES_SAID else ""
    step.notes.append(
        f"group {group.group_id!r} rebalances and waits for {len(awaited)} of {count} members, "
        f"{at_most_ms / 1000:.0f} s at most if they are silent: {names}{more}"
    )


def maybe_complete_join(group: ClassicGroup, step: Step) -> None:
    if group.all_joined and not group.is_first_rebalance:
        complete_join(group, step)


def rebalance_time_over(group: ClassicGroup, step: Step) -> None:
    """The rebalance timer has come up."""
    if group.is_first_rebalance and group.newcomers and group.initial_delay_left_ms > 0:
        _wait_for_newcomers(group, step)
    else:
        complete_join(group, step)


def _wait_for_newcomers(group: ClassicGroup, step: Step) -> None:
    delay_ms = min(step.settings.group_initial_rebalance_delay_ms, group.initial_delay_left_ms)
    group.newcomers = False
    group.initial_delay_left_ms -= delay_ms
    step.set_timer(TimerKind.REBALANCE, delay_ms, group.group_id)


def complete_join(group: ClassicGroup, step: Step) -> None:
    """Begin a generation with those who have joined, and tell them so."""
    step.cancel_timer(TimerKind.REBALANCE, group.group_id)
    for member in list(group.members.values()):
        if member.join_ticket is None and not member.is_static:
            drop_member(group, member, step)
    if group.members and not group.elect_joined_leader():
        # Static members alone, none of them back yet: wait on, until they come or their sessions end.
        step.set_timer(TimerKind.REBALANCE, group.rebalance_timeout_ms, group.group_id)
        return
    group.begin_generation(step.now.wall_ms)
    if not group.members:
        step.records.append(group_record(group.group_id, group.to_value({}, step.now.wall_ms)))
        return
    for member in group.members.values():
        member.is_new = False
        if member.join_ticket is not None:
            answer_join(member, current_generation(group, member), step)
        set_session(group, member, step)
    step.set_timer(TimerKind.SYNC, group.rebalance_timeout_ms, group.group_id)


def sync_time_over(group: ClassicGroup, step: Step) -> None:
    """Remove the members that have never asked for their assignment."""
    assert group.state in (GroupState.COMPLETING_REBALANCE, GroupState.STABLE)
    late = [member for member_id, member in group.members.items() if member_id in group.unsynced]
    waited_s = group.rebalance_timeout_ms / 1000
    for member in late:
        drop_member(group, member, step)
    if late:
        cause = Cause.by(late[0], f"has not asked for its assignment within {waited_s:g} s")
        prepare_rebalance(group, cause, step)


def session_over(group: ClassicGroup, member_id: str, step: Step) -> None:
    """A member, or one for whom an id is reserved, has not been heard of for its session timeout."""
    if member_id in group.reserved:
        release_reserved(group, member_id, step)
        return
    member = group.members.get(member_id)
    if member is None:
        return  # It was to be one of a group of the other protocol, and that could not be recorded.
    if member.is_waiting and not member.is_new:
        return  # It is waiting for us; its session goes on once it has been answered.
    drop_member(group, member, step)
    after_removal(group, Cause.by(member, f"was silent for {member.session_timeout_ms / 1000:g} s"), step)


def release_reserved(group: ClassicGroup, member_id: str, step: Step) -> None:
    """Give up an id that nobody has come back with."""
    group.reserved.remove(member_id)
    step.cancel_timer(TimerKind.SESSION, group.group_id, member_id)
    if group.state is GroupState.PREPARING_REBALANCE:
        maybe_complete_join(group, step)


def after_removal(group: ClassicGroup, cause: Cause, step: Step) -> None:
    """The members that are left divide what there is among themselves."""
    if group.state in (GroupState.STABLE, GroupState.COMPLETING_REBALANCE):
        prepare_rebalance(group, cause, step)
    elif group.state is GroupState.PREPARING_REBALANCE:
        maybe_complete_join(group, step)


def drop_member(
    group: ClassicGroup, member: Member, step: Step, error: ErrorCode = ErrorCode.UNKNOWN_MEMBER_ID
) -> None:
    """Remove a member; if it waits for something, that is its answer."""
    dismiss(group, member, step, error)
    group.remove(member.member_id)


def dismiss(group: ClassicGroup, member: Member, step: Step, error: ErrorCode) -> None:
    """End all that goes on with a member that no longer is one."""
    if member.join_ticket is not None:
        answer_join(member, JoinGroupResponse(error_code=error, member_id=member.member_id), step)
    if member.sync_ticket is not None:
        step.answer(member.sync_ticket, SyncGroupResponse(error_code=error))
        member.sync_ticket = None
    step.cancel_timer(TimerKind.SESSION, group.group_id, member.member_id)


def answer_join(member: Member, response: JoinGroupResponse, step: Step) -> None:
    assert member.join_ticket is not None
    step.answer(member.join_ticket, response)
    member.join_ticket = None


def answer_sync(group: ClassicGroup, member: Member, step: Step, error: ErrorCode) -> None:
    """Answer one who waits for its assignment: with it, or with an error."""
    assert member.sync_ticket is not None
    response = SyncGroupResponse(error_code=error) if error else assignment_of(group, member)
    step.answer(member.sync_ticket, response)
    member.sync_ticket = None
    set_session(group, member, step)


def assignment_of(group: ClassicGroup, member: Member) -> SyncGroupResponse:
    return SyncGroupResponse(
        protocol_type=group.protocol_type, protocol_name=group.protocol_name, assignment=member.assignment
    )


def current_generation(group: ClassicGroup, member: Member) -> JoinGroupResponse:
    """What a member learns when it has joined; the leader also learns who the others are."""
    leads = group.leader_id == member.member_id
    return JoinGroupResponse(
        generation_id=group.generation,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol_name,
        leader=group.leader_id or "",
        member_id=member.member_id,
        members=members_for_leader(group.members.values(), group.protocol_name) if leads else (),
    )


def members_for_leader(members: Iterable[Member], protocol: str | None) -> list[JoinGroupResponseMember]:
    assert protocol is not None
    return [
        JoinGroupResponseMember(each.member_id, each.group_instance_id, each.protocols[protocol]) for each in members
    ]


def set_session(group: ClassicGroup, member: Member, step: Step) -> None:
    """Begin the member's session anew."""
    step.set_timer(TimerKind.SESSION, member.session_timeout_ms, group.group_id, member.member_id)
