"""What a transactional producer asks of coordinators, put together, and the code that each answer comes to. No I/O."""

from __future__ import annotations

from collections.abc import Iterable

from odradek.group_position import GroupPosition
from odradek.producer.transaction_state import TransactionState
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
)
from odradek.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
)
from odradek.protocol.topic_partition import TopicPartition

LAST_INIT_PRODUCER_ID_VERSION = 5
"""What comes after it belongs to transactions in two phases (KIP-939)."""
LAST_ADD_PARTITIONS_VERSION = 3
"""What comes after it is asked by brokers."""


def last_end_version(*, is_newer: bool) -> int:
    """From version 5 on EndTxn raises the epoch."""
    return 5 if is_newer else 4


def last_offset_commit_version(*, is_newer: bool) -> int:
    """From version 5 on the group is added by it; from version 6 on topics go by their ids."""
    return 5 if is_newer else 4


def add_partitions(
    transactional_id: str, state: TransactionState, partitions: Iterable[TopicPartition]
) -> AddPartitionsToTxnRequest:
    topics: dict[str, list[int]] = {}
    for topic, partition in partitions:
        topics.setdefault(topic, []).append(partition)
    return AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=transactional_id,
        v3_and_below_producer_id=state.producer_id,
        v3_and_below_producer_epoch=state.epoch,
        v3_and_below_topics=[AddPartitionsToTxnTopic(name, indexes) for name, indexes in topics.items()],
    )


def added_code(answer: AddPartitionsToTxnResponse) -> int:
    """What stands for all: the first error that is not only the echo of another partition's."""
    codes = [p.partition_error_code for t in answer.results_by_topic_v3_and_below for p in t.results_by_partition]
    real = [code for code in codes if code not in (ErrorCode.NONE, ErrorCode.OPERATION_NOT_ATTEMPTED)]
    return next(iter(real or codes), 0)


def commit_offsets(transactional_id: str, state: TransactionState, position: GroupPosition) -> TxnOffsetCommitRequest:
    topics: dict[str, list[TxnOffsetCommitRequestPartition]] = {}
    for partition, offset in position.offsets.items():
        topics.setdefault(partition.topic, []).append(TxnOffsetCommitRequestPartition(partition.partition, offset))
    return TxnOffsetCommitRequest(
        transactional_id=transactional_id,
        group_id=position.group,
        producer_id=state.producer_id,
        producer_epoch=state.epoch,
        generation_id_or_member_epoch=position.generation,
        member_id=position.member_id,
        group_instance_id=position.instance_id,
        topics=[TxnOffsetCommitRequestTopic(name, partitions=partitions) for name, partitions in topics.items()],
    )


def committed_code(answer: TxnOffsetCommitResponse) -> int:
    return next((p.error_code for topic in answer.topics for p in topic.partitions if p.error_code), 0)
