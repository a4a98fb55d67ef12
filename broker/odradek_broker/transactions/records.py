"""The records of __transaction_state, as bytes and as what they mean: one transactional id each, the newest one counts.

A value is written in version 0 until transaction.version is 1 or more, then in version 1, which has the producer ids
before and after the present one and the client's transaction version. Kafka: TransactionLog.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from odradek.protocol.codec import decode
from odradek.protocol.messages.transaction_log import PartitionsSchema, TransactionLogKey, TransactionLogValue
from odradek.protocol.primitives import Buffer, ProtocolError
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.coordination.record import CoordinatorRecord, framed, int16_at_front
from odradek_broker.transactions.states import TransactionState
from odradek_broker.transactions.transaction import Transaction

_SIZE_OF_VERSION = 2
_NEVER_RECORDED = (TransactionState.DEAD, TransactionState.PREPARE_EPOCH_FENCE)
_RECORDED = {int(state): state for state in TransactionState if state not in _NEVER_RECORDED}
_NOTHING: dict[TopicPartition, None] = {}


class TransactionRecord(NamedTuple):
    """A transactional id is in that state; or, with None, is no more."""

    transactional_id: str
    transaction: Transaction | None


def transaction_record(
    transactional_id: str, transaction: Transaction | None, transaction_version: int
) -> CoordinatorRecord:
    """`transaction_version`: the finalized level of the feature."""
    key = framed(TransactionLogKey.API_KEY, TransactionLogKey(transactional_id), 0)
    if transaction is None:
        return CoordinatorRecord(key, None)
    version = min(transaction_version, 1)
    return CoordinatorRecord(key, framed(version, _value(transaction), version))


def read_record(key: Buffer, value: Buffer | None) -> TransactionRecord | None:
    """What a record says; None where its key is of a kind of the future. Raises ProtocolError."""
    if int16_at_front(key) != TransactionLogKey.API_KEY:
        return None
    transactional_id = decode(TransactionLogKey, key, 0, _SIZE_OF_VERSION).transactional_id
    return TransactionRecord(transactional_id, None if value is None else _read_value(value))


def _value(transaction: Transaction) -> TransactionLogValue:
    topics: dict[str, list[int]] = {}
    for topic, partition in transaction.partitions:
        topics.setdefault(topic, []).append(partition)
    is_empty = transaction.state is TransactionState.EMPTY
    return TransactionLogValue(
        producer_id=transaction.producer_id,
        previous_producer_id=transaction.previous_producer_id,
        next_producer_id=transaction.next_producer_id,
        producer_epoch=transaction.producer_epoch,
        transaction_timeout_ms=transaction.timeout_ms,
        transaction_status=transaction.state,
        transaction_partitions=None if is_empty else [PartitionsSchema(*entry) for entry in topics.items()],
        transaction_last_update_timestamp_ms=transaction.update_ms,
        transaction_start_timestamp_ms=transaction.start_ms,
        client_transaction_version=transaction.client_version,
    )


def _read_value(buffer: Buffer) -> Transaction:
    version = int16_at_front(buffer)
    if version not in TransactionLogValue.VERSIONS:
        raise ProtocolError(f"a transaction's state in the unknown version {version}")
    value = decode(TransactionLogValue, buffer, version, _SIZE_OF_VERSION)
    return Transaction(
        producer_id=value.producer_id,
        producer_epoch=value.producer_epoch,
        previous_producer_id=value.previous_producer_id,
        next_producer_id=value.next_producer_id,
        timeout_ms=value.transaction_timeout_ms,
        state=_state(value.transaction_status),
        partitions=_partitions(value.transaction_partitions) if value.transaction_partitions else _NOTHING,
        start_ms=value.transaction_start_timestamp_ms,
        update_ms=value.transaction_last_update_timestamp_ms,
        client_version=value.client_transaction_version,
    )


def _partitions(topics: Sequence[PartitionsSchema]) -> dict[TopicPartition, None]:
    return {TopicPartition(topic.topic, index): None for topic in topics for index in topic.partition_ids}


def _state(status: int) -> TransactionState:
    state = _RECORDED.get(status)
    if state is None:
        raise ProtocolError(f"a transaction in the state {status}, which is unknown or never recorded")
    return state
