"""AddPartitionsToTxn and AddOffsetsToTxn: which partitions belong to a transaction; and whether they do (KIP-890).

A transaction that is being ended is waited for, before anything else is looked at: the id and epoch of its producer may
be those of afterwards already.
"""

from __future__ import annotations

from collections.abc import Collection

from odradek.protocol.errors import ErrorCode
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.transactions.states import TransactionState
from odradek_broker.transactions.transaction import ProducerIdAndEpoch, Transaction


def may_add(transaction: Transaction | None, producer: ProducerIdAndEpoch) -> ErrorCode:
    """Whether the producer may add partitions."""
    if transaction is None:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    if transaction.state.is_prepared:
        return ErrorCode.CONCURRENT_TRANSACTIONS
    return _check_producer(transaction, producer)


def has_all(transaction: Transaction, partitions: Collection[TopicPartition]) -> bool:
    """Whether there is nothing to be written down."""
    return transaction.state is TransactionState.ONGOING and all(each in transaction.partitions for each in partitions)


def verify(
    transaction: Transaction | None, producer: ProducerIdAndEpoch, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, ErrorCode]:
    """For each partition NONE where it has been added, or why its leader must not append."""
    if transaction is None:
        return dict.fromkeys(partitions, ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    error = _check_producer(transaction, producer)
    if not error and transaction.state.is_prepared:
        error = ErrorCode.CONCURRENT_TRANSACTIONS
    if error:
        return dict.fromkeys(partitions, error)
    return {
        each: ErrorCode.NONE if each in transaction.partitions else ErrorCode.TRANSACTION_ABORTABLE
        for each in partitions
    }


def _check_producer(transaction: Transaction, producer: ProducerIdAndEpoch) -> ErrorCode:
    if producer.producer_id != transaction.producer_id:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    return ErrorCode.NONE if producer.epoch == transaction.producer_epoch else ErrorCode.PRODUCER_FENCED
