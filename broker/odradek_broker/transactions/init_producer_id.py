"""InitProducerId: who gets a transactional id, and with which epoch (KIP-98, 360, 890).

A producer that names the id and epoch it has goes on where it was, unless a newer producer has come since; one that
names none is a new instance, and fences all before it. An open transaction is aborted first, and the answer is
CONCURRENT_TRANSACTIONS until that is done: so the epoch of the abort is never given to anybody.

Kafka lets any epoch of the right producer id abort an open transaction. Here a producer that was fenced does not.
"""

from __future__ import annotations

from enum import Enum

from odradek_broker.transactions.transaction import (
    LAST_EPOCH,
    NO_EPOCH,
    NO_ID,
    NOBODY,
    ProducerIdAndEpoch,
    Transaction,
)


class Claim(Enum):
    """What a producer says of itself, where it may be true."""

    NEW = "it has never had the transactional id, and fences whoever has it"
    CURRENT = "it has it, and goes on after an error"
    RETRY = "it had it until it asked for what is now current, and has not heard the answer"


def needs_producer_id(transaction: Transaction | None) -> bool:
    """Whether a new producer id may be wanted."""
    return transaction is None or transaction.epoch_is_exhausted


def claim_of(transaction: Transaction, expected: ProducerIdAndEpoch, last_epoch: int) -> Claim | None:
    """None where the producer has been fenced. `last_epoch`: what the current producer had before, or -1."""
    if expected == NOBODY or transaction.producer_epoch == NO_EPOCH:
        return Claim.NEW
    if expected == transaction.producer:
        return Claim.CURRENT
    return Claim.RETRY if expected == _before(transaction, last_epoch) else None


def next_producer(transaction: Transaction, claim: Claim, new_producer_id: int | None) -> ProducerIdAndEpoch | None:
    """The id and epoch to give out, where no transaction is open; None where that takes a new producer id."""
    current = transaction.producer
    if claim is Claim.RETRY and current.epoch <= LAST_EPOCH:
        return current
    if not transaction.epoch_is_exhausted:
        return ProducerIdAndEpoch(current.producer_id, current.epoch + 1)
    return None if new_producer_id is None else ProducerIdAndEpoch(new_producer_id, 0)


def _before(transaction: Transaction, last_epoch: int) -> ProducerIdAndEpoch:
    if last_epoch == NO_EPOCH:
        return transaction.bumped_from
    is_rotated = transaction.producer_epoch == 0 and transaction.previous_producer_id != NO_ID
    producer_id = transaction.previous_producer_id if is_rotated else transaction.producer_id
    return ProducerIdAndEpoch(producer_id, last_epoch)
