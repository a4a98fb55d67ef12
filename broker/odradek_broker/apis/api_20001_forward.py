"""Forward (API key 20001, Odradek's own): a broker passes on what the controller must decide.

Behaviour
    Not the active controller          NOT_CONTROLLER
    Of another cluster                 INCONSISTENT_CLUSTER_ID
    Not a request that it decides      INVALID_REQUEST
    Has been on its way for long       OPERATION_NOT_ATTEMPTED, where it could do harm now (controller/stamps.py)
    The journal cannot be written      KAFKA_STORAGE_ERROR
    The inner answer is encoded in the version in which the inner request came. Never advertised.
    When a connection ends that has brought heartbeats, the controller sees at once whether the broker has died.
"""

from __future__ import annotations

from odradek_broker.apis import RequestContext
from odradek_broker.metadata.forwarding import answer_forward
from odradek_broker.metadata.messages import ForwardRequest, ForwardResponse

REQUEST, VERSIONS, ADVERTISED_VERSIONS = ForwardRequest, range(1), range(0)
FOR_BROKERS = True


async def handle(request: ForwardRequest, context: RequestContext) -> ForwardResponse:
    return await answer_forward(context.broker.active_controller, request, context.caller.on_disconnect)
