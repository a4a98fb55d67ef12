"""JoinGroup (API key 11), versions 0-9: enter a group, or come back to it in a rebalance (classic protocol).

Behaviour
    The answer comes when the rebalance has ended; the rules are in groups/join.py and groups/rebalance.py.
    Empty group id                   INVALID_GROUP_ID
    Session out of bounds            INVALID_SESSION_TIMEOUT (group.min.session.timeout.ms, .max.)
    A member id that is not known    UNKNOWN_MEMBER_ID; of an instance that another has: FENCED_INSTANCE_ID
    A newcomer from version 4 on     MEMBER_ID_REQUIRED, with the id to join with (KIP-394)
    No protocol in common            INCONSISTENT_GROUP_PROTOCOL
    Full                             GROUP_MAX_SIZE_REACHED
Versions
    1 rebalance_timeout_ms    2 throttle_time_ms    4 MEMBER_ID_REQUIRED    5 static members    6 flexible
    7 protocol_type, null protocol_name    8 reason    9 skip_assignment
"""

from __future__ import annotations

from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.runtime import CoordinatorUnavailable

REQUEST, VERSIONS = JoinGroupRequest, range(10)
WAITS_FOR_OTHERS = True


async def handle(request: JoinGroupRequest, context: RequestContext) -> JoinGroupResponse:
    try:
        return await context.broker.groups.join(
            request, context.version, context.client_id or "", f"/{context.caller.peer[0]}"
        )
    except CoordinatorUnavailable as unavailable:
        return JoinGroupResponse(error_code=unavailable.error_code, member_id=request.member_id)
