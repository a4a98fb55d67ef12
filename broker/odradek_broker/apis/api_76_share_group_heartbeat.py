"""ShareGroupHeartbeat (API key 76), version 1: join, stay in and leave a share group (KIP-932).

Behaviour
    Epoch 0 joins, -1 leaves. Share partitions that the group has never had are initialized first, so a member that
    joins is told its partitions by the same answer; what cannot be initialized now comes with a later one.
    The cluster has not agreed on it (feature share.version)    UNSUPPORTED_VERSION
    No member id, no group id, no topics at first               INVALID_REQUEST
    A group of another kind, or none where the member does not join    GROUP_ID_NOT_FOUND
    Not a member                     UNKNOWN_MEMBER_ID
    Another epoch than the last two  FENCED_MEMBER_EPOCH
    The group is full                GROUP_MAX_SIZE_REACHED
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.runtime import CoordinatorUnavailable

REQUEST, VERSIONS = ShareGroupHeartbeatRequest, range(1, 2)


async def handle(request: ShareGroupHeartbeatRequest, context: RequestContext) -> ShareGroupHeartbeatResponse:
    if not context.broker.sharing.is_enabled:
        return ShareGroupHeartbeatResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    host = f"/{context.caller.peer[0]}"
    try:
        return await context.broker.share_membership.heartbeat(request, context.client_id or "", host)
    except CoordinatorUnavailable as unavailable:
        return ShareGroupHeartbeatResponse(error_code=unavailable.error_code)
