"""FollowMetadata (API key 20002, Odradek's own): the metadata from an offset on, by long poll.

Behaviour
    Not the active controller    NOT_CONTROLLER
    Waits until there is a record with that offset, or max_wait_ms. A broker that asks for what is too long ago gets a
    snapshot. Never advertised.
"""

from __future__ import annotations

from odradek_broker.apis import RequestContext
from odradek_broker.metadata.forwarding import answer_follow
from odradek_broker.metadata.messages import FollowMetadataRequest, FollowMetadataResponse

REQUEST, VERSIONS, ADVERTISED_VERSIONS = FollowMetadataRequest, range(1), range(0)
FOR_BROKERS = True
WAITS_FOR_OTHERS = True


async def handle(request: FollowMetadataRequest, context: RequestContext) -> FollowMetadataResponse:
    return await answer_follow(context.broker.active_controller, request)
