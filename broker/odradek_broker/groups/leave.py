"""LeaveGroup: members go of their own will, or are sent away by an operator (KIP-345)."""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse
from odradek_broker.groups.group import ClassicGroup
from odradek_broker.groups.history import Cause
from odradek_broker.groups.rebalance import after_removal, drop_member, release_reserved
from odradek_broker.groups.step import Step


def leave(group: ClassicGroup, request: LeaveGroupRequest, step: Step) -> LeaveGroupResponse:
    """Remove every member named; the group rebalances once, after the last of them.

    It does not for an id that was only reserved: who hands it back had no part in the generation.
    """
    identities = identities_of(request)
    before = dict(group.members)
    errors = [_leave_one(group, identity, step) for identity in identities]
    gone = [member for member_id, member in before.items() if member_id not in group.members]
    if gone:
        reason = next((each.reason for each in identities if each.member_id == gone[0].member_id), None)
        after_removal(group, Cause.by(gone[0], "has left", reason), step)
    return answer_leave(request, identities, errors)


def refuse_leave(request: LeaveGroupRequest, error: ErrorCode) -> LeaveGroupResponse:
    """The same error for every member named."""
    identities = identities_of(request)
    return answer_leave(request, identities, [error] * len(identities))


def identities_of(request: LeaveGroupRequest) -> list[MemberIdentity]:
    """Up to version 2 a request names one member, without an instance id."""
    return list(request.members) or [MemberIdentity(member_id=request.member_id)]


def answer_leave(
    request: LeaveGroupRequest, identities: list[MemberIdentity], errors: list[ErrorCode]
) -> LeaveGroupResponse:
    """From version 3 on each member has an error of its own, and the request as a whole has none."""
    if not request.members:
        return LeaveGroupResponse(error_code=errors[0])
    return LeaveGroupResponse(
        members=[
            MemberResponse(identity.member_id, identity.group_instance_id, error)
            for identity, error in zip(identities, errors, strict=True)
        ]
    )


def _leave_one(group: ClassicGroup, identity: MemberIdentity, step: Step) -> ErrorCode:
    member_id = identity.member_id
    if not member_id and identity.group_instance_id is not None:
        # An operator removes a static member by the name it has given itself.
        member_id = group.static_members.get(identity.group_instance_id, "")
    elif member_id in group.reserved:
        release_reserved(group, member_id, step)
        return ErrorCode.NONE
    error = group.check_member(member_id, identity.group_instance_id)
    if not error:
        drop_member(group, group.members[member_id], step)
    return error
