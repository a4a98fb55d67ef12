"""Heartbeat (API key 12), versions 0-4: tell the coordinator that a member is alive (classic protocol).

Behaviour
    Not a member                     UNKNOWN_MEMBER_ID; of an instance that another has: FENCED_INSTANCE_ID
    Another generation               ILLEGAL_GENERATION
    The members are to join again    REBALANCE_IN_PROGRESS; the session goes on all the same
Versions
    1 throttle_time_ms    3 static members    4 flexible
"""

from __future__ import annotations

from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.runtime import CoordinatorUnavailable

REQUEST, VERSIONS = HeartbeatRequest, range(5)


async def handle(request: HeartbeatRequest, context: RequestContext) -> HeartbeatResponse:
    try:
        return await context.broker.groups.heartbeat(request)
    except CoordinatorUnavailable as unavailable:
        return HeartbeatResponse(error_code=unavailable.error_code)
