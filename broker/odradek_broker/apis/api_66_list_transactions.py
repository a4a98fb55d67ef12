"""ListTransactions (API key 66), versions 0-2: the transactional ids that this broker coordinates (KIP-664).

Behaviour
    Filters are joined by "and", the values of one by "or"; states that do not exist are named in the answer.
    While some are still being loaded    COORDINATOR_LOAD_IN_PROGRESS
    A pattern that is none, or that could take long to match    INVALID_REGULAR_EXPRESSION. Kafka's engine (RE2) never
                                     takes long; ours could, so there are no groups, and two repetitions at most.
Versions
    1 duration_filter (KIP-994)    2 transactional_id_pattern (KIP-1152), for the whole id
"""

from __future__ import annotations

import re

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = ListTransactionsRequest, range(3)

MAX_PATTERN, MAX_ID, MAX_REPETITIONS = 256, 256, 2
_REPETITION, _COSTLY = re.compile(r"[*+{]"), re.compile(r"[()]|\\\d")


async def handle(request: ListTransactionsRequest, context: RequestContext) -> ListTransactionsResponse:
    pattern = _compile(request.transactional_id_pattern or "")
    if pattern is None:
        return ListTransactionsResponse(error_code=ErrorCode.INVALID_REGULAR_EXPRESSION)
    error, unknown, found = await context.broker.transactions.list_transactions(
        request.state_filters, set(request.producer_id_filters), request.duration_filter
    )
    if pattern.pattern:
        found = [
            one for one in found if len(one.transactional_id) <= MAX_ID and pattern.fullmatch(one.transactional_id)
        ]
    return ListTransactionsResponse(
        error_code=error, unknown_state_filters=unknown, transaction_states=() if error else found
    )


def _compile(pattern: str) -> re.Pattern[str] | None:
    """None where the pattern is refused."""
    if len(pattern) > MAX_PATTERN or _COSTLY.search(pattern) or len(_REPETITION.findall(pattern)) > MAX_REPETITIONS:
        return None
    try:
        return re.compile(pattern)
    except re.error:
        return None
