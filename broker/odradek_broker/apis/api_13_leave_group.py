"""LeaveGroup (API key 13), versions 0-5: leave a group, or remove members from it (classic protocol).

Behaviour
    Each member named has an error of its own (version 3 on); the group rebalances once for all of them.
    An instance id without a member id removes whoever has it: that is how an operator sends a static member away.
    Empty group id                   INVALID_GROUP_ID
    Not a member                     UNKNOWN_MEMBER_ID; of an instance that another has: FENCED_INSTANCE_ID
Versions
    1 throttle_time_ms    3 many members, instance ids    4 flexible    5 reason
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.runtime import CoordinatorUnavailable

REQUEST, VERSIONS = LeaveGroupRequest, range(6)

MANY_MEMBERS = 3


async def handle(request: LeaveGroupRequest, context: RequestContext) -> LeaveGroupResponse:
    if context.version >= MANY_MEMBERS and not request.members:
        return LeaveGroupResponse(error_code=ErrorCode.NONE if request.group_id else ErrorCode.INVALID_GROUP_ID)
    try:
        return await context.broker.groups.leave(request)
    except CoordinatorUnavailable as unavailable:
        return LeaveGroupResponse(error_code=unavailable.error_code)
