"""EndTxn: whether a transaction may be ended so, by whom, and what was so already.

Before version 5 of the request the epoch stays, so a late EndTxn cannot be told from one for the next transaction: only
an end of the same kind is taken for a retry. From version 5 on every end raises the epoch, and a retry is known by the
epoch before (KIP-890); what is not open may be aborted, which raises the epoch, too.

    version 5        abort                 commit
                     retry     current     retry     current
    Empty            fenced    aborts      fenced    invalid
    CompleteAbort    done      aborts      invalid   invalid
    CompleteCommit   invalid   aborts      done      invalid
"""

from __future__ import annotations

from enum import Enum

from odradek.protocol.errors import ErrorCode
from odradek_broker.transactions.states import TransactionState
from odradek_broker.transactions.transaction import EPOCH_BUMPS, LAST_EPOCH, ProducerIdAndEpoch, Transaction


class End(Enum):
    """What to do, where it is no error."""

    DECIDE = "write down that it ends"
    DONE = "it has ended so already"


def may_end(
    transaction: Transaction, producer: ProducerIdAndEpoch, client_version: int, *, commit: bool
) -> End | ErrorCode:
    """Decide on a client's wish."""
    state = transaction.state
    if state.is_prepared:
        return ErrorCode.CONCURRENT_TRANSACTIONS
    if client_version < EPOCH_BUMPS:
        return _may_end_in_the_same_epoch(transaction, producer, commit=commit)
    is_retry = producer == transaction.bumped_from
    if producer.producer_id != transaction.producer_id and not is_retry:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    if is_retry and transaction.producer_epoch > LAST_EPOCH:
        return ErrorCode.PRODUCER_FENCED  # its last epoch is over, and not by its own end: that would have a new id
    if is_retry:
        return End.DONE if state is _complete(commit=commit) else ErrorCode.INVALID_TXN_STATE
    if producer.epoch != transaction.producer_epoch:
        return ErrorCode.PRODUCER_FENCED
    if state is TransactionState.ONGOING or not commit:
        return End.DECIDE
    return ErrorCode.INVALID_TXN_STATE


def _may_end_in_the_same_epoch(
    transaction: Transaction, producer: ProducerIdAndEpoch, *, commit: bool
) -> End | ErrorCode:
    if producer.producer_id != transaction.producer_id:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    if producer.epoch != transaction.producer_epoch:
        return ErrorCode.PRODUCER_FENCED
    if transaction.state is TransactionState.ONGOING:
        return End.DECIDE
    return End.DONE if transaction.state is _complete(commit=commit) else ErrorCode.INVALID_TXN_STATE


def _complete(*, commit: bool) -> TransactionState:
    return TransactionState.COMPLETE_COMMIT if commit else TransactionState.COMPLETE_ABORT
