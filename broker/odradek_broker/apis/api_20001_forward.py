"""Forward (API key 20001, Odradek's own): a broker passes on what the controller must decide.

Behaviour
    Not the active controller          NOT_CONTROLLER
    Not a request that it decides      INVALID_REQUEST
    The journal cannot be written      KAFKA_STORAGE_ERROR
    The inner answer is encoded in the version in which the inner request came. Never advertised.
    When a connection ends that has brought heartbeats, the controller sees at once whether the broker has died.
"""

from __future__ import annotations

from odradek.protocol.codec import decode, encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest
from odradek.protocol.registry import request_class, response_class
from odradek_broker.apis import RequestContext
from odradek_broker.runtime.cluster_messages import ForwardRequest, ForwardResponse
from odradek_broker.runtime.controller_client import ControllerUnavailable

REQUEST, VERSIONS, ADVERTISED_VERSIONS = ForwardRequest, range(1), range(0)


async def handle(request: ForwardRequest, context: RequestContext) -> ForwardResponse:
    controller = context.broker.active_controller
    if controller is None:
        return ForwardResponse(error_code=ErrorCode.NOT_CONTROLLER)
    try:
        inner = decode(request_class(request.api_key), request.body, request.version)
    except KeyError:
        return ForwardResponse(error_code=ErrorCode.INVALID_REQUEST)
    if not controller.decides(type(inner)):
        return ForwardResponse(error_code=ErrorCode.INVALID_REQUEST)
    if isinstance(inner, BrokerHeartbeatRequest):
        broker_id, epoch = inner.broker_id, inner.broker_epoch
        context.farewells["heartbeat"] = lambda: controller.connection_lost(broker_id, epoch)
    try:
        response = await controller.ask(inner, response_class(request.api_key), request.version)
    except ControllerUnavailable as error:
        return ForwardResponse(error_code=error.error_code)
    return ForwardResponse(body=encode(response, request.version), offset=controller.image.offset)
