"""ReadShareGroupState (API key 84), version 0: read the state of share partitions back (KIP-932).

Behaviour
    Each share partition is answered by its own coordinator.
    Leaders ask, when they come to share a partition; from then on older leaders are fenced.
    An older leader epoch              FENCED_LEADER_EPOCH
    Never initialized                  INVALID_REQUEST
    No such topic or partition         UNKNOWN_TOPIC_OR_PARTITION
    Another broker's                   NOT_COORDINATOR
"""

from __future__ import annotations

from odradek.protocol.messages.read_share_group_state import ReadShareGroupStateRequest, ReadShareGroupStateResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = ReadShareGroupStateRequest, range(1)
FOR_BROKERS = True


async def handle(request: ReadShareGroupStateRequest, context: RequestContext) -> ReadShareGroupStateResponse:
    return await context.broker.sharing.states.read(request)
