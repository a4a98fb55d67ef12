"""Who has ended a transaction over its producer's head, as far as DescribeTransactions tells.

the id is not known            it has expired
our id and epoch               the coordinator knows of nothing: a marker was written past it, as operators do
our id, next epoch, aborted    the coordinator has aborted it, and no producer has come since: a timeout, where the
                               time was over; before that it is a new producer on its way, or whoever else has asked
                               for the abort, and nobody says which
anything else                  another producer has the id. An operator who terminates a transaction does so by
                               InitProducerId, as a producer: the wire does not tell the two apart
"""

from __future__ import annotations

from odradek.errors import EndedBy
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_transactions import TransactionState

_ABORTED = frozenset({"PrepareAbort", "CompleteAbort", "PrepareEpochFence"})


def who_ended(now: TransactionState, producer_id: int, epoch: int, open_s: float, timeout_s: float) -> EndedBy:
    """`now`: what the coordinator says of the transactional id. `open_s`: for how long our transaction was open."""
    if now.error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND:
        return EndedBy.EXPIRATION
    if now.error_code:
        return EndedBy.UNKNOWN
    if (now.producer_id, now.producer_epoch) == (producer_id, epoch):
        return EndedBy.ADMINISTRATOR
    if (now.producer_id, now.producer_epoch) == (producer_id, epoch + 1) and now.transaction_state in _ABORTED:
        return EndedBy.TIMEOUT if open_s >= timeout_s else EndedBy.UNKNOWN
    return EndedBy.NEWER_PRODUCER
