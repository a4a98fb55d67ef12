"""SyncGroup (API key 14), versions 0-5: hand out the leader's assignment to the members of a generation.

Behaviour
    The answer comes when the leader's assignment is committed; a member that it leaves out gets an empty one.
    A stable group repeats what was assigned, to whoever asks again.
    Not a member                     UNKNOWN_MEMBER_ID; of an instance that another has: FENCED_INSTANCE_ID
    Another generation               ILLEGAL_GENERATION
    Another protocol than the group's, or none from version 5 on    INCONSISTENT_GROUP_PROTOCOL
    The members are to join again    REBALANCE_IN_PROGRESS
Versions
    1 throttle_time_ms    3 static members    4 flexible    5 protocol_type, protocol_name
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.runtime import CoordinatorUnavailable

REQUEST, VERSIONS = SyncGroupRequest, range(6)
WAITS_FOR_OTHERS = True

NAMES_PROTOCOL = 5


async def handle(request: SyncGroupRequest, context: RequestContext) -> SyncGroupResponse:
    if context.version >= NAMES_PROTOCOL and None in (request.protocol_type, request.protocol_name):
        return SyncGroupResponse(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    try:
        return await context.broker.groups.sync(request)
    except CoordinatorUnavailable as unavailable:
        return SyncGroupResponse(error_code=unavailable.error_code)
