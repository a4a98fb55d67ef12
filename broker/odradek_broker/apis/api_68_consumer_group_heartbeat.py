"""ConsumerGroupHeartbeat (API key 68), versions 0-1: join, stay in and leave a group of the consumer protocol.

Behaviour
    groups/consumer/ decides; the answer comes when what was decided is committed.
    The cluster has not agreed on it (feature group.version), or this broker leaves it out
    (group.coordinator.rebalance.protocols)    UNSUPPORTED_VERSION
    A field that cannot be           INVALID_REQUEST; an assignor that there is not: UNSUPPORTED_ASSIGNOR
    No such group, or a classic one that may not become one of this protocol    GROUP_ID_NOT_FOUND
    Not a member                     UNKNOWN_MEMBER_ID; of an instance that another has: FENCED_INSTANCE_ID
    An instance whose member has not left    UNRELEASED_INSTANCE_ID
    No regular expression            INVALID_REGULAR_EXPRESSION
    Another epoch                    FENCED_MEMBER_EPOCH, but for the last one while the answer may have been lost
    The group is full                GROUP_MAX_SIZE_REACHED
Versions
    1 regular expressions, the member makes up its id
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.runtime import CoordinatorUnavailable

REQUEST, VERSIONS = ConsumerGroupHeartbeatRequest, range(2)


async def handle(request: ConsumerGroupHeartbeatRequest, context: RequestContext) -> ConsumerGroupHeartbeatResponse:
    if not context.broker.groups.takes_consumer_protocol:
        return ConsumerGroupHeartbeatResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    may_know = None if context.asking is None else context.asking.may_know
    try:
        return await context.broker.groups.consumer_heartbeat(
            request, context.version, context.client_id or "", f"/{context.caller.peer[0]}", may_know
        )
    except CoordinatorUnavailable as unavailable:
        return ConsumerGroupHeartbeatResponse(error_code=unavailable.error_code)
