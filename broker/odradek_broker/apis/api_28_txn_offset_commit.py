"""TxnOffsetCommit (API key 28), versions 0-6: store a group's positions within a producer's transaction.

Behaviour
    They are visible, and final, with the transaction's marker; until then the partitions are unstable (KIP-447).
    Before the first is stored the group's partition must belong to the transaction: AddOffsetsToTxn has added it, or
    from version 5 on this request does (KIP-890).
    Partitions are answered one by one; the answer comes when all that was stored is committed. Of a partition that is
    named several times the last offset counts; very many are stored by some hundreds at a time.
    No such partition                UNKNOWN_TOPIC_OR_PARTITION; no topic of that id (version 6): UNKNOWN_TOPIC_ID
    Another generation               ILLEGAL_GENERATION; not a member: UNKNOWN_MEMBER_ID; FENCED_INSTANCE_ID
    A producer that was fenced       INVALID_PRODUCER_EPOCH
    Not part of a transaction        TRANSACTION_ABORTABLE (INVALID_TXN_STATE before version 4)
    The transaction's coordinator cannot be asked    COORDINATOR_LOAD_IN_PROGRESS: the group's is the right one
Versions
    2 leader epochs    3 generation and member (KIP-447), flexible    4 TRANSACTION_ABORTABLE    5 adds by itself
    6 topic ids
"""

from __future__ import annotations

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from odradek.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.apis import RequestContext
from odradek_broker.apis.transaction_errors import OF_COORDINATORS, abortable_since
from odradek_broker.coordinators.batches import ProducerStamp
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.loop.slices import Slices, batched
from odradek_broker.partitions.partition import Partition
from odradek_broker.transactions.transaction import ProducerIdAndEpoch

REQUEST, VERSIONS = TxnOffsetCommitRequest, range(7)

ABORTABLE_SINCE, ADDS_SINCE, BY_TOPIC_ID = 4, 5, 6

PARTITIONS_AT_ONCE = 500

Offsets = dict[TopicPartition, TxnOffsetCommitRequestPartition]
Outcomes = dict[TopicPartition, ErrorCode]


async def handle(request: TxnOffsetCommitRequest, context: RequestContext) -> TxnOffsetCommitResponse:
    slices, image = Slices(), context.broker.image
    if context.version >= BY_TOPIC_ID:
        named = [structs.replace(each, name=image.topic_names.get(each.topic_id, "")) for each in request.topics]
        request = structs.replace(request, topics=named)
    wanted: Offsets = {}
    for topic in request.topics:
        for each in topic.partitions:
            if image.partition(topic.name, each.partition_index) is not None:
                wanted[TopicPartition(topic.name, each.partition_index)] = each
            await slices.pay()
    outcomes: Outcomes = {}
    for piece in batched(wanted.items(), PARTITIONS_AT_ONCE):
        try:
            outcomes |= await _commit(request, dict(piece), context)
        except CoordinatorUnavailable as unavailable:
            outcomes |= dict.fromkeys(dict(piece), unavailable.error_code)
    return TxnOffsetCommitResponse(topics=[await _answer(topic, outcomes, slices) for topic in request.topics])


async def _answer(
    topic: TxnOffsetCommitRequestTopic, outcomes: Outcomes, slices: Slices
) -> TxnOffsetCommitResponseTopic:
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if topic.name else ErrorCode.UNKNOWN_TOPIC_ID
    answers = []
    for each in topic.partitions:
        outcome = outcomes.get(TopicPartition(topic.name, each.partition_index), unknown)
        answers.append(TxnOffsetCommitResponsePartition(each.partition_index, outcome))
        await slices.pay()
    await slices.pay()
    return TxnOffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=answers)


async def _commit(request: TxnOffsetCommitRequest, offsets: Offsets, context: RequestContext) -> Outcomes:
    """Raises CoordinatorUnavailable."""
    broker, producer = context.broker, ProducerStamp(request.producer_id, request.producer_epoch)
    partition = (await broker.groups.find(request.group_id)).partition
    error = await _admit(partition, request, context)
    if error:
        return dict.fromkeys(offsets, error)
    token = partition.admissions.get(request.producer_id)

    def is_admitted() -> bool:
        if partition.log.producers.has_open_transaction(*producer):
            return True
        return token is not None and partition.admissions.get(request.producer_id) is token

    response = await broker.groups.commit(_plain(request, offsets), producer, is_admitted=is_admitted)
    return {
        TopicPartition(topic.name, each.partition_index): abortable_since(
            ErrorCode.from_code(each.error_code), context.version, ABORTABLE_SINCE
        )
        for topic in response.topics
        for each in topic.partitions
    }


async def _admit(partition: Partition, request: TxnOffsetCommitRequest, context: RequestContext) -> ErrorCode:
    """Whether the group's partition belongs to the transaction."""
    producer = ProducerIdAndEpoch(request.producer_id, request.producer_epoch)
    if partition.log.producers.has_open_transaction(*producer):
        return ErrorCode.NONE
    gate, adds = context.broker.transactions.gate, context.version >= ADDS_SINCE
    answers = await gate.admit(request.transactional_id, producer, [partition], adds=adds)
    error = answers[TopicPartition(partition.topic, partition.index)]
    if error in OF_COORDINATORS:
        return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    if error is ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    return abortable_since(error, context.version, ABORTABLE_SINCE)


def _plain(request: TxnOffsetCommitRequest, offsets: Offsets) -> OffsetCommitRequest:
    """The same as it would be without a transaction."""
    topics: dict[str, list[OffsetCommitRequestPartition]] = {}
    for partition, each in offsets.items():
        topics.setdefault(partition.topic, []).append(
            OffsetCommitRequestPartition(
                partition_index=each.partition_index,
                committed_offset=each.committed_offset,
                committed_leader_epoch=each.committed_leader_epoch,
                committed_metadata=each.committed_metadata,
            )
        )
    return OffsetCommitRequest(
        group_id=request.group_id,
        generation_id_or_member_epoch=request.generation_id_or_member_epoch,
        member_id=request.member_id,
        group_instance_id=request.group_instance_id,
        topics=[OffsetCommitRequestTopic(name, partitions=entries) for name, entries in topics.items()],
    )
