"""InitializeShareGroupState (API key 83), version 0: begin the state of share partitions anew, from an offset.

Behaviour
    Each share partition is answered by its own coordinator.
    Group coordinators ask, when a group comes to a partition, and when its offsets are altered.
    An older state epoch               FENCED_STATE_EPOCH
    No such topic or partition         UNKNOWN_TOPIC_OR_PARTITION
    Another broker's                   NOT_COORDINATOR
"""

from __future__ import annotations

from odradek.protocol.messages.initialize_share_group_state import (
    InitializeShareGroupStateRequest,
    InitializeShareGroupStateResponse,
)
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = InitializeShareGroupStateRequest, range(1)
FOR_BROKERS = True


async def handle(
    request: InitializeShareGroupStateRequest, context: RequestContext
) -> InitializeShareGroupStateResponse:
    return await context.broker.sharing.states.initialize(request)
