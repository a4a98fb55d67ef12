"""ReadShareGroupStateSummary (API key 87), versions 0-1: where share partitions start (KIP-932).

Behaviour
    Each share partition is answered by its own coordinator.
    Never initialized                  no error, and start offset -1
    No such topic or partition         UNKNOWN_TOPIC_OR_PARTITION
    Another broker's                   NOT_COORDINATOR
Versions
    1 delivery_complete_count (KIP-1226)
"""

from __future__ import annotations

from odradek.protocol.messages.read_share_group_state_summary import (
    ReadShareGroupStateSummaryRequest,
    ReadShareGroupStateSummaryResponse,
)
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = ReadShareGroupStateSummaryRequest, range(2)
FOR_BROKERS = True


async def handle(
    request: ReadShareGroupStateSummaryRequest, context: RequestContext
) -> ReadShareGroupStateSummaryResponse:
    return await context.broker.sharing.states.read_summary(request)
