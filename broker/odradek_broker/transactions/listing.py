"""DescribeTransactions and ListTransactions: what operators see (KIP-664, 994)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import describe_transactions, list_transactions
from odradek_broker.transactions.states import BY_KAFKA_NAME
from odradek_broker.transactions.transaction import Transaction

ANY_DURATION = -1


def describe(transactional_id: str, transaction: Transaction | None) -> describe_transactions.TransactionState:
    """One transactional id; its transaction's partitions by topic."""
    if not transactional_id:
        return refuse(transactional_id, ErrorCode.INVALID_REQUEST)
    if transaction is None:
        return refuse(transactional_id, ErrorCode.TRANSACTIONAL_ID_NOT_FOUND)
    topics: dict[str, list[int]] = {}
    for topic, partition in transaction.partitions:
        topics.setdefault(topic, []).append(partition)
    return describe_transactions.TransactionState(
        transactional_id=transactional_id,
        transaction_state=transaction.state.kafka_name,
        transaction_timeout_ms=transaction.timeout_ms,
        transaction_start_time_ms=transaction.start_ms,
        producer_id=transaction.producer_id,
        producer_epoch=transaction.producer_epoch,
        topics=[describe_transactions.TopicData(*entry) for entry in topics.items()],
    )


def refuse(transactional_id: str, error: ErrorCode) -> describe_transactions.TransactionState:
    return describe_transactions.TransactionState(error_code=error, transactional_id=transactional_id)


def unknown_states(names: Collection[str]) -> list[str]:
    """Those of the names that are no state's."""
    return [name for name in names if name not in BY_KAFKA_NAME]


def matching(
    transactions: Mapping[str, Transaction],
    *,
    states: Collection[str],
    producer_ids: Collection[int],
    duration_ms: int,
    now_ms: int,
) -> list[list_transactions.TransactionState]:
    """Those that pass every filter; an empty one lets all pass, and so does a negative duration.

    `duration_ms`: begun longer ago than that, as Kafka has it: also one that has never begun.
    """
    return [
        list_transactions.TransactionState(transactional_id, each.producer_id, each.state.kafka_name)
        for transactional_id, each in transactions.items()
        if (not states or each.state.kafka_name in states)
        and (not producer_ids or each.producer_id in producer_ids)
        and (duration_ms < 0 or now_ms - each.start_ms > duration_ms)
    ]
