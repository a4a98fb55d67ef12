"""InitProducerId (API key 22), versions 0-5: an id for an idempotent producer.

Behaviour
    Without a transactional id       a new producer id with epoch 0, each given out once, whatever the request names
    An empty transactional id, or a producer id without an epoch (or the other way round)    INVALID_REQUEST
    A transactional id               UNSUPPORTED_VERSION, until there are transactions. Clients give up on it at once
                                     and say so; on any code that means "not yet" they would retry for minutes.
    The journal cannot be written    COORDINATOR_LOAD_IN_PROGRESS, on which clients retry; Kafka answers the same while
                                     its controller has no ids to give
Versions
    2 flexible    3 producer id and epoch in the request (KIP-360)    4 PRODUCER_FENCED    5 TRANSACTION_ABORTABLE
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek_broker.apis import RequestContext
from odradek_broker.runtime.controller_client import ControllerUnavailable

REQUEST, VERSIONS = InitProducerIdRequest, range(6)

NONE = -1


async def handle(request: InitProducerIdRequest, context: RequestContext) -> InitProducerIdResponse:
    half_known = (request.producer_id == NONE) != (request.producer_epoch == NONE)
    if request.transactional_id == "" or half_known:
        return _refuse(ErrorCode.INVALID_REQUEST)
    if request.transactional_id is not None:
        return _refuse(ErrorCode.UNSUPPORTED_VERSION)
    try:
        producer_id = await context.broker.controller.next_producer_id()
    except ControllerUnavailable:
        return _refuse(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=0)


def _refuse(error: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=error, producer_id=NONE, producer_epoch=NONE)
