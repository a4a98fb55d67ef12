"""WriteShareGroupState (API key 85), versions 0-1: store what has become of records (KIP-932).

Behaviour
    Each share partition is answered by its own coordinator.
    Leaders ask. The answer comes when it is committed.
    An older leader, or state epoch    FENCED_LEADER_EPOCH, FENCED_STATE_EPOCH
    Never initialized                  INVALID_REQUEST
    No such topic or partition         UNKNOWN_TOPIC_OR_PARTITION
    Another broker's                   NOT_COORDINATOR
Versions
    1 delivery_complete_count (KIP-1226)
"""

from __future__ import annotations

from odradek.protocol.messages.write_share_group_state import WriteShareGroupStateRequest, WriteShareGroupStateResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = WriteShareGroupStateRequest, range(2)
FOR_BROKERS = True


async def handle(request: WriteShareGroupStateRequest, context: RequestContext) -> WriteShareGroupStateResponse:
    return await context.broker.sharing.states.write(request)
