"""The first batch of a transaction in a partition: its coordinator is asked before it is appended (KIP-890).

Behaviour
    A batch of a transaction that is open in the partition is appended at once, and so is a retry of one that is there.
    For others the coordinator is asked; meanwhile the connection is not read, so that what follows comes after it.
    From version 12 on the partition is added by that; before, it must have been (AddPartitionsToTxn).
    Not part of a transaction    TRANSACTION_ABORTABLE, before version 11 INVALID_TXN_STATE
    The last one is ending       CONCURRENT_TRANSACTIONS, before version 12 NOT_ENOUGH_REPLICAS, on which clients retry
    An older epoch               INVALID_PRODUCER_EPOCH, never a word on the transaction: the producer begins anew then
    Another producer id          INVALID_PRODUCER_ID_MAPPING
    The coordinator cannot be asked    NOT_ENOUGH_REPLICAS
"""

from __future__ import annotations

from collections import defaultdict

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import HEADER_BYTES, BatchHeader, read_header
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.apis import RequestContext
from odradek_broker.apis.transaction_errors import OF_COORDINATORS, abortable_since
from odradek_broker.log.producer_state import ProducerBatch
from odradek_broker.partitions.partition import Partition
from odradek_broker.transactions.transaction import ProducerIdAndEpoch

TRANSACTIONAL = 0x10
BY_TOPIC_ID, ABORTABLE_SINCE, ADDS_SINCE = 13, 11, 12

Strangers = dict[ProducerIdAndEpoch, list[Partition]]
"""Partitions that know of no open transaction of the producer that writes to them."""

TurnedAway = dict[TopicPartition, ErrorCode]


def topic_name(topic: TopicProduceData, context: RequestContext) -> str | None:
    """None where there is no topic of that id."""
    return context.broker.topic_name(topic.topic_id) if context.version >= BY_TOPIC_ID else topic.name


def find_strangers(request: ProduceRequest, context: RequestContext) -> Strangers:
    """By producer; almost always there is one, or none."""
    found: Strangers = defaultdict(list)
    for topic in request.topic_data:
        name = topic_name(topic, context)
        for data in topic.partition_data if name is not None else ():
            partition = context.broker.replicas.partition(name or "", data.index)
            header = _header(data)
            if header is None or isinstance(partition, ErrorCode):
                continue
            producer = ProducerIdAndEpoch(header.producer_id, header.producer_epoch)
            if header.is_transactional and _is_stranger(partition, header):
                found[producer].append(partition)
    return found


async def admit(request: ProduceRequest, context: RequestContext, strangers: Strangers) -> TurnedAway:
    """What must not be appended, and why; true until the caller waits for anything."""
    assert request.transactional_id is not None
    gate, version = context.broker.transactions.gate, context.version
    (producer, partitions), *others = strangers.items()
    answers = await gate.admit(request.transactional_id, producer, partitions, adds=version >= ADDS_SINCE)
    turned_away = {key: _named(error, version) for key, error in answers.items() if error}
    for _, partitions in others:  # a transactional id has one producer
        wrong = ErrorCode.INVALID_PRODUCER_ID_MAPPING
        turned_away.update({TopicPartition(each.topic, each.index): wrong for each in partitions})
    return turned_away


def _is_stranger(partition: Partition, header: BatchHeader) -> bool:
    """Whether appending the batch would begin a transaction here."""
    producers = partition.log.producers
    if producers.has_open_transaction(header.producer_id, header.producer_epoch):
        return False
    verdict = producers.check(header)
    return not isinstance(verdict, ProducerBatch) and verdict is not ErrorCode.INVALID_PRODUCER_EPOCH


def _header(data: PartitionProduceData) -> BatchHeader | None:
    """None where the log is to say what is wrong with it."""
    records = data.records
    if not isinstance(records, memoryview) or len(records) < HEADER_BYTES:
        return None
    try:
        return read_header(records, 0)
    except ProtocolError:
        return None


def _named(error: ErrorCode, version: int) -> ErrorCode:
    if error in OF_COORDINATORS or (error is ErrorCode.CONCURRENT_TRANSACTIONS and version < ADDS_SINCE):
        return ErrorCode.NOT_ENOUGH_REPLICAS
    if error is ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    return abortable_since(error, version, ABORTABLE_SINCE)
