"""JoinGroup: whether one may come in, and whether the group has to rebalance for it."""

from __future__ import annotations

from msgspec import Struct, structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from odradek_broker.coordination.record import fits
from odradek_broker.groups.group import ClassicGroup, GroupState, choose_protocol
from odradek_broker.groups.history import Cause
from odradek_broker.groups.member import Member
from odradek_broker.groups.rebalance import (
    answer_join,
    current_generation,
    dismiss,
    members_for_leader,
    prepare_or_complete,
    set_session,
)
from odradek_broker.groups.records import group_record
from odradek_broker.groups.step import Step
from odradek_broker.groups.timers import TimerKind

NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000
"""A newcomer cannot send heartbeats before it knows its id, and its connection is not read while it waits: one that
has waited for so long has surely gone, and has tried again under another id."""


class Joiner(Struct, frozen=True, kw_only=True):
    """Who sends a JoinGroup."""

    ticket: int
    """By which the answer is given, if it has to wait."""
    version: int
    """Of the request."""
    new_member_id: str
    """The id for one that has none yet; never given before."""
    client_id: str = ""
    client_host: str = ""

    @property
    def must_know_its_id(self) -> bool:
        """It is to join again with the id it is given, so that a lost answer leaves no ghost behind (KIP-394)."""
        return self.version >= 4

    @property
    def can_skip_assignment(self) -> bool:
        """Said to be leader, it understands that there is nothing to assign (KIP-814)."""
        return self.version >= 9


def join(group: ClassicGroup, request: JoinGroupRequest, joiner: Joiner, step: Step) -> JoinGroupResponse | None:
    """The answer, or None where it waits for the rebalance to end."""
    known_id = request.member_id or group.static_members.get(request.group_instance_id or "", "")
    if not _has_room(group, known_id, step.settings.group_max_size):
        return refuse_join(ErrorCode.GROUP_MAX_SIZE_REACHED, request.member_id)
    if not group.supports(request.protocol_type, request.protocols):
        return refuse_join(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, request.member_id)
    if request.member_id:
        return _join_as_known(group, request, joiner, step)
    if request.group_instance_id is not None:
        return _join_as_static(group, request, joiner, step)
    if joiner.must_know_its_id:
        return _reserve(group, request, joiner, step)
    _admit(group, request, joiner, joiner.new_member_id, step)
    return None


def fault_of_join(request: JoinGroupRequest, joiner: Joiner, step: Step) -> ErrorCode:
    """What is wrong with a request, whatever the group is like; NONE where nothing is."""
    if not request.group_id or not fits(request.group_id):
        return ErrorCode.INVALID_GROUP_ID
    names = [each.name for each in request.protocols]
    if not fits(request.group_instance_id, joiner.new_member_id, request.protocol_type, *names):
        return ErrorCode.INVALID_REQUEST
    shortest_ms, longest_ms = step.settings.group_min_session_timeout_ms, step.settings.group_max_session_timeout_ms
    if not shortest_ms <= request.session_timeout_ms <= longest_ms:
        return ErrorCode.INVALID_SESSION_TIMEOUT
    return ErrorCode.NONE


def refuse_join(error: ErrorCode, member_id: str) -> JoinGroupResponse:
    return JoinGroupResponse(error_code=error, member_id=member_id)


def _has_room(group: ClassicGroup, member_id: str, max_size: int) -> bool:
    """Members stay; of newcomers, and of all who join while the group prepares, the first ones come in."""
    if group.state is GroupState.EMPTY:
        return True
    member = group.members.get(member_id)
    if group.state is GroupState.PREPARING_REBALANCE:
        waits = member is not None and member.join_ticket is not None
        return waits or group.waiting_to_join_count < max_size
    return member is not None or len(group.members) < max_size


def _reserve(group: ClassicGroup, request: JoinGroupRequest, joiner: Joiner, step: Step) -> JoinGroupResponse:
    group.reserved.add(joiner.new_member_id)
    step.set_timer(TimerKind.SESSION, request.session_timeout_ms, group.group_id, joiner.new_member_id)
    return refuse_join(ErrorCode.MEMBER_ID_REQUIRED, joiner.new_member_id)


def _admit(group: ClassicGroup, request: JoinGroupRequest, joiner: Joiner, member_id: str, step: Step) -> None:
    """A new member, and so a new generation."""
    member = _member(request, joiner, member_id)
    member.is_new, member.join_ticket = True, joiner.ticket
    group.reserved.discard(member_id)
    group.add(member, request.protocol_type)
    group.newcomers = group.is_first_rebalance
    step.set_timer(TimerKind.SESSION, NEW_MEMBER_JOIN_TIMEOUT_MS, group.group_id, member_id)
    prepare_or_complete(group, Cause.by(member, "has joined", request.reason), step)


def _member(request: JoinGroupRequest, joiner: Joiner, member_id: str) -> Member:
    return Member(
        member_id=member_id,
        group_instance_id=request.group_instance_id,
        client_id=joiner.client_id,
        client_host=joiner.client_host,
        session_timeout_ms=request.session_timeout_ms,
        rebalance_timeout_ms=_rebalance_timeout_ms(request),
        protocols=protocols_of(request),
    )


def protocols_of(request: JoinGroupRequest) -> dict[str, bytes]:
    """What it says of itself, the one it likes best first; of several of one name the first counts."""
    protocols: dict[str, bytes] = {}
    for each in request.protocols:
        protocols.setdefault(each.name, bytes(each.metadata))
    return protocols


def _rebalance_timeout_ms(request: JoinGroupRequest) -> int:
    """Version 0 knows one timeout for both."""
    return request.session_timeout_ms if request.rebalance_timeout_ms < 0 else request.rebalance_timeout_ms


# ------------------------------------------------------------------------------------------------------ known members


def _join_as_known(
    group: ClassicGroup, request: JoinGroupRequest, joiner: Joiner, step: Step
) -> JoinGroupResponse | None:
    if request.member_id in group.reserved and request.group_instance_id is None:
        _admit(group, request, joiner, request.member_id, step)
        return None
    error = group.check_member(request.member_id, request.group_instance_id)
    if error:
        return refuse_join(error, request.member_id)
    member = group.members[request.member_id]
    unchanged = member.has_protocols(protocols_of(request))
    leads = group.leader_id == member.member_id
    if group.state is GroupState.COMPLETING_REBALANCE and unchanged:
        return current_generation(group, member)  # The answer to its first attempt was lost.
    if group.state is GroupState.STABLE and unchanged and not leads:
        return current_generation(group, member)
    _join_again(member, request, joiner, step)
    what = "leads, and asks for a rebalance" if unchanged else "wants something else"
    prepare_or_complete(group, Cause.by(member, what, request.reason), step)
    return None


def _join_again(member: Member, request: JoinGroupRequest, joiner: Joiner, step: Step) -> None:
    if member.join_ticket is not None:
        # It asks a second time, on another connection; one request of a member waits at a time.
        answer_join(member, refuse_join(ErrorCode.REBALANCE_IN_PROGRESS, member.member_id), step)
    member.protocols = protocols_of(request)
    member.session_timeout_ms = request.session_timeout_ms
    member.rebalance_timeout_ms = _rebalance_timeout_ms(request)
    member.client_id, member.client_host = joiner.client_id, joiner.client_host
    member.join_ticket = joiner.ticket


# ----------------------------------------------------------------------------------------------------- static members


def _join_as_static(
    group: ClassicGroup, request: JoinGroupRequest, joiner: Joiner, step: Step
) -> JoinGroupResponse | None:
    """A static member comes without a member id: for the first time, or after a restart (KIP-345)."""
    assert request.group_instance_id is not None
    former_id = group.static_members.get(request.group_instance_id)
    if former_id is None:
        _admit(group, request, joiner, joiner.new_member_id, step)
        return None
    member = _member(request, joiner, joiner.new_member_id)
    if group.state is GroupState.STABLE:
        members = group.members_with(former_id, member)
        if choose_protocol(members) == group.protocol_name:
            return _take_place_on_record(group, former_id, member, joiner, step)
    dismiss(group, group.members[former_id], step, ErrorCode.FENCED_INSTANCE_ID)
    group.replace(former_id, member)
    member.join_ticket = joiner.ticket
    set_session(group, member, step)
    prepare_or_complete(group, Cause.by(member, "is back as a static member", request.reason), step)
    return None


def _take_place_on_record(
    group: ClassicGroup, former_id: str, member: Member, joiner: Joiner, step: Step
) -> JoinGroupResponse:
    """The generation stays, with another member id in it: that is recorded, and holds once the record is replayed.

    A leader that comes back must not assign anew, for nobody would ask for the outcome. From version 9 on it is told so
    (KIP-814); before, it is kept from knowing that it leads by the name of its former self.
    """
    member.assignment = group.members[former_id].assignment
    members, led, protocol = group.members_with(former_id, member), group.leader_id == former_id, group.protocol_name
    value = structs.replace(
        group.to_value({}, step.now.wall_ms),
        leader=member.member_id if led else group.leader_id,
        members=[each.recorded(protocol or "", each.assignment) for each in members.values()],
    )
    group.arriving[member.member_id] = member
    step.records.append(group_record(group.group_id, value))
    skips = led and joiner.can_skip_assignment
    return JoinGroupResponse(
        generation_id=group.generation,
        protocol_type=group.protocol_type,
        protocol_name=protocol,
        leader=member.member_id if skips else group.leader_id or "",
        skip_assignment=skips,
        member_id=member.member_id,
        members=members_for_leader(members.values(), protocol) if skips else (),
    )
