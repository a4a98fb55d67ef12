"""AddPartitionsToTxn (API key 24), versions 0-5: let partitions belong to a transaction, or see whether they do.

Behaviour
    Up to version 3 a producer asks for one transaction; the first partitions begin it. All are added, or none: where
    one is at fault, the others are answered with OPERATION_NOT_ATTEMPTED.
    From version 4 on brokers ask, for many transactions, each answered by itself (KIP-890); anybody may as long as
    there is no security. `verify_only` adds nothing, and answers TRANSACTION_ABORTABLE for what has not been added.
    No such partition                UNKNOWN_TOPIC_OR_PARTITION
    A coordinator's own topic        TOPIC_AUTHORIZATION_FAILED, to producers
    Another producer id, an id that has expired    INVALID_PRODUCER_ID_MAPPING
    Another epoch                    PRODUCER_FENCED (INVALID_PRODUCER_EPOCH before version 2)
    The last transaction is ending   CONCURRENT_TRANSACTIONS
Versions
    2 PRODUCER_FENCED    3 flexible    4 many transactions, verify_only    5 TRANSACTION_ABORTABLE
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from odradek.protocol.acl import Operation, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
)
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.apis import RequestContext
from odradek_broker.apis.transaction_errors import abortable_since, fenced_since
from odradek_broker.controller.image import INTERNAL_TOPICS
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.transactions.transaction import EPOCH_BUMPS, ProducerIdAndEpoch

REQUEST, VERSIONS = AddPartitionsToTxnRequest, range(6)

FENCED_SINCE, BATCHED_SINCE, ABORTABLE_SINCE = 2, 4, 5

Outcomes = Mapping[TopicPartition, ErrorCode]


async def handle(request: AddPartitionsToTxnRequest, context: RequestContext) -> AddPartitionsToTxnResponse:
    if context.version >= BATCHED_SINCE:
        return AddPartitionsToTxnResponse(
            results_by_transaction=[await _of_broker(each, context) for each in request.transactions]
        )
    topics = request.v3_and_below_topics
    producer = ProducerIdAndEpoch(request.v3_and_below_producer_id, request.v3_and_below_producer_epoch)
    outcomes = _faults(topics, context, is_producer=True)
    if not outcomes:
        outcomes = await _add(request.v3_and_below_transactional_id, producer, topics, 0, context)
    return AddPartitionsToTxnResponse(results_by_topic_v3_and_below=_results(topics, outcomes, context.version))


async def _of_broker(asked: AddPartitionsToTxnTransaction, context: RequestContext) -> AddPartitionsToTxnResult:
    producer = ProducerIdAndEpoch(asked.producer_id, asked.producer_epoch)
    if asked.verify_only:
        partitions = list(_partitions(asked.topics))
        try:
            outcomes = await context.broker.transactions.verify(asked.transactional_id, producer, partitions)
        except CoordinatorUnavailable as unavailable:
            outcomes = dict.fromkeys(partitions, unavailable.error_code)
    else:
        outcomes = _faults(asked.topics, context, is_producer=False)
        if not outcomes:
            outcomes = await _add(asked.transactional_id, producer, asked.topics, EPOCH_BUMPS, context)
    return AddPartitionsToTxnResult(asked.transactional_id, _results(asked.topics, outcomes, context.version))


async def _add(
    transactional_id: str,
    producer: ProducerIdAndEpoch,
    topics: Sequence[AddPartitionsToTxnTopic],
    client_version: int,
    context: RequestContext,
) -> dict[TopicPartition, ErrorCode]:
    partitions = list(_partitions(topics))
    try:
        error = await context.broker.transactions.add_partitions(transactional_id, producer, partitions, client_version)
    except CoordinatorUnavailable as unavailable:
        error = unavailable.error_code
    return dict.fromkeys(partitions, error)


def _partitions(topics: Sequence[AddPartitionsToTxnTopic]) -> Iterator[TopicPartition]:
    return (TopicPartition(topic.name, index) for topic in topics for index in topic.partitions)


def _faults(
    topics: Sequence[AddPartitionsToTxnTopic], context: RequestContext, *, is_producer: bool
) -> dict[TopicPartition, ErrorCode]:
    """What to answer where one is at fault; empty where none is.

    Brokers are asked for no less: a partition that is not known here, be it that our metadata are behind, would be
    taken for one that is gone, and get no marker.
    """
    faults = {each: fault for each in _partitions(topics) if (fault := _fault(each, context, is_producer=is_producer))}
    if not faults:
        return {}
    return {each: faults.get(each, ErrorCode.OPERATION_NOT_ATTEMPTED) for each in _partitions(topics)}


def _fault(partition: TopicPartition, context: RequestContext, *, is_producer: bool) -> ErrorCode:
    may_write = context.may(Operation.WRITE, ResourceType.TOPIC, partition.topic)
    if is_producer and (partition.topic in INTERNAL_TOPICS or not may_write):
        return ErrorCode.TOPIC_AUTHORIZATION_FAILED
    known = context.broker.image.partition(*partition) is not None
    return ErrorCode.NONE if known else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def _results(
    topics: Sequence[AddPartitionsToTxnTopic], outcomes: Outcomes, version: int
) -> list[AddPartitionsToTxnTopicResult]:
    return [
        AddPartitionsToTxnTopicResult(
            topic.name,
            [
                AddPartitionsToTxnPartitionResult(index, _named(outcomes[TopicPartition(topic.name, index)], version))
                for index in topic.partitions
            ],
        )
        for topic in topics
    ]


def _named(error: ErrorCode, version: int) -> ErrorCode:
    return abortable_since(fenced_since(error, version, FENCED_SINCE), version, ABORTABLE_SINCE)
