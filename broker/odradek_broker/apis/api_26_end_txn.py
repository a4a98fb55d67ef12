"""EndTxn (API key 26), versions 0-5: commit or abort a producer's transaction.

Behaviour
    The answer comes when the decision is committed; markers are written afterwards, and meanwhile whoever begins the
    next transaction is told CONCURRENT_TRANSACTIONS.
    From version 5 on the epoch rises, and the answer says with which id and epoch the producer goes on (KIP-890).
    transactions/end.py has a table of what may be ended how. Errors: INVALID_TXN_STATE, CONCURRENT_TRANSACTIONS,
    INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED (INVALID_PRODUCER_EPOCH before version 2), NOT_COORDINATOR
Versions
    2 PRODUCER_FENCED    3 flexible    4 TRANSACTION_ABORTABLE    5 producer_id, producer_epoch
"""

from __future__ import annotations

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from odradek_broker.apis import RequestContext
from odradek_broker.apis.transaction_errors import fenced_since
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.transactions.transaction import EPOCH_BUMPS

REQUEST, VERSIONS = EndTxnRequest, range(6)

FENCED_SINCE, EPOCH_RISES_SINCE = 2, 5


async def handle(request: EndTxnRequest, context: RequestContext) -> EndTxnResponse:
    client_version = EPOCH_BUMPS if context.version >= EPOCH_RISES_SINCE else 0
    try:
        response = await context.broker.transactions.end(request, client_version)
    except CoordinatorUnavailable as unavailable:
        return EndTxnResponse(error_code=unavailable.error_code)
    error = fenced_since(ErrorCode.from_code(response.error_code), context.version, FENCED_SINCE)
    return structs.replace(response, error_code=error)
