"""DeleteShareGroupState (API key 86), version 0: forget share partitions (KIP-932).

Behaviour
    Each share partition is answered by its own coordinator.
    Group coordinators ask. What is not there is deleted all the same; nor need there be such a topic.
    Another broker's    NOT_COORDINATOR
"""

from __future__ import annotations

from odradek.protocol.messages.delete_share_group_state import (
    DeleteShareGroupStateRequest,
    DeleteShareGroupStateResponse,
)
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = DeleteShareGroupStateRequest, range(1)
FOR_BROKERS = True


async def handle(request: DeleteShareGroupStateRequest, context: RequestContext) -> DeleteShareGroupStateResponse:
    return await context.broker.sharing.states.delete(request)
