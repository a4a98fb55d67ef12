"""InitProducerId (API key 22), versions 0-5: an id for an idempotent producer, or for a transactional one.

Behaviour
    Without a transactional id       a new producer id with epoch 0, each given out once, whatever the request names
    An empty transactional id, or a producer id without an epoch (or the other way round)    INVALID_REQUEST
    A timeout that is not above 0, or above transaction.max.timeout.ms    INVALID_TRANSACTION_TIMEOUT
    A transaction is open, or ending  CONCURRENT_TRANSACTIONS, and an open one is aborted
    The id and epoch given are not the present ones, nor those before it    PRODUCER_FENCED (INVALID_PRODUCER_EPOCH
                                     before version 4)
    Another broker's                 NOT_COORDINATOR
    The journal cannot be written    COORDINATOR_LOAD_IN_PROGRESS, on which clients retry; Kafka answers the same while
                                     its controller has no ids to give
Versions
    2 flexible    3 producer id and epoch in the request (KIP-360)    4 PRODUCER_FENCED    5 TRANSACTION_ABORTABLE
"""

from __future__ import annotations

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek_broker.apis import RequestContext
from odradek_broker.apis.transaction_errors import fenced_since
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.metadata.client import ControllerUnavailable
from odradek_broker.transactions.transaction import ProducerIdAndEpoch

REQUEST, VERSIONS = InitProducerIdRequest, range(6)

NONE = -1
FENCED_SINCE = 4


async def handle(request: InitProducerIdRequest, context: RequestContext) -> InitProducerIdResponse:
    half_known = (request.producer_id == NONE) != (request.producer_epoch == NONE)
    if request.transactional_id == "" or half_known:
        return _refuse(ErrorCode.INVALID_REQUEST)
    if request.transactional_id is not None:
        return await _transactional(request.transactional_id, request, context)
    try:
        producer_id = await context.broker.controller.next_producer_id()
    except ControllerUnavailable:
        return _refuse(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=0)


async def _transactional(
    transactional_id: str, request: InitProducerIdRequest, context: RequestContext
) -> InitProducerIdResponse:
    has = ProducerIdAndEpoch(request.producer_id, request.producer_epoch)
    try:
        response = await context.broker.transactions.init_producer_id(
            transactional_id, request.transaction_timeout_ms, has
        )
    except CoordinatorUnavailable as unavailable:
        return _refuse(unavailable.error_code)
    error = fenced_since(ErrorCode.from_code(response.error_code), context.version, FENCED_SINCE)
    return structs.replace(response, error_code=error)


def _refuse(error: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=error, producer_id=NONE, producer_epoch=NONE)
