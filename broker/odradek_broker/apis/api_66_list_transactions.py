"""ListTransactions (API key 66), versions 0-2: the transactions that this broker coordinates (KIP-664).

Behaviour
    There are no transactions, so the list is empty; states that do not exist are named in the answer.
Versions
    1 duration_filter    2 transactional_id_pattern
"""

from __future__ import annotations

from odradek.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = ListTransactionsRequest, range(3)

STATES = {
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
}


def handle(request: ListTransactionsRequest, context: RequestContext) -> ListTransactionsResponse:
    unknown = [state for state in request.state_filters if state not in STATES]
    return ListTransactionsResponse(unknown_state_filters=unknown)
