"""DescribeTransactions (API key 65), version 0: the state of transactional ids (KIP-664).

Behaviour
    Ids are answered one by one: TRANSACTIONAL_ID_NOT_FOUND, INVALID_REQUEST for an empty one, NOT_COORDINATOR.
"""

from __future__ import annotations

from odradek.protocol.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    TransactionState,
)
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.transactions.listing import refuse

REQUEST, VERSIONS = DescribeTransactionsRequest, range(1)


async def handle(request: DescribeTransactionsRequest, context: RequestContext) -> DescribeTransactionsResponse:
    return DescribeTransactionsResponse(
        transaction_states=[await _describe(each, context) for each in request.transactional_ids]
    )


async def _describe(transactional_id: str, context: RequestContext) -> TransactionState:
    try:
        return await context.broker.transactions.describe(transactional_id)
    except CoordinatorUnavailable as unavailable:
        return refuse(transactional_id, unavailable.error_code)
