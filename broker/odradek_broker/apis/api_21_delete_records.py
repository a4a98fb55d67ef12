"""DeleteRecords (API key 21), versions 0-2: move the start of partitions' logs forward.

Behaviour
    Partitions are answered one by one with the offset that their log begins with now. Offset -1 is the high watermark.
    Waits until no record before it comes back: its start is written down here, and every replica that may lead next, in
    sync or eligible, has told that it has written it down too, else REQUEST_TIMED_OUT. As in Kafka the connection waits
    with it. (Kafka does not ask those that are down: one that is elected then brings the records back.)
    Another leader meanwhile                  NOT_LEADER_OR_FOLLOWER
    The disk refuses to be told               KAFKA_STORAGE_ERROR
    Beyond the high watermark, or below -1    OFFSET_OUT_OF_RANGE
    Topic without the delete policy           POLICY_VIOLATION
    A coordinator's own topic                 INVALID_TOPIC_EXCEPTION
    Not on this broker                        UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER
    Space is freed with the next pass of retention.
Versions
    2 flexible
"""

from __future__ import annotations

import logging

import trio
from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)
from odradek_broker.apis import RequestContext
from odradek_broker.controller.image import INTERNAL_TOPICS
from odradek_broker.log.offset_checkpoints import LOG_START_OFFSETS
from odradek_broker.loop.slices import Slices
from odradek_broker.partitions.commits import Commit
from odradek_broker.partitions.partition import Partition

REQUEST, VERSIONS = DeleteRecordsRequest, range(3)
WAITS_FOR_OTHERS = True

logger = logging.getLogger(__name__)

HIGH_WATERMARK, NO_LOW_WATERMARK = -1, -1


class Deletion(Struct, frozen=True):
    """What has been done to one partition, and what is still to come."""

    index: int
    error: ErrorCode = ErrorCode.NONE
    partition: Partition | None = None
    everywhere: Commit | None = None


async def handle(request: DeleteRecordsRequest, context: RequestContext) -> DeleteRecordsResponse:
    slices = Slices()
    topics: list[tuple[str, list[Deletion]]] = [(topic.name, []) for topic in request.topics]
    begun: list[tuple[Partition, Commit]] = []
    try:
        for topic, (_, deletions) in zip(request.topics, topics, strict=True):
            for wanted in topic.partitions:
                deletion = _delete(topic.name, wanted, context)
                deletions.append(deletion)
                if deletion.partition is not None and deletion.everywhere is not None:
                    begun.append((deletion.partition, deletion.everywhere))
                await slices.pay()
            await slices.pay()
        await _write_down([partition for partition, _ in begun], context)
        with trio.move_on_after(max(request.timeout_ms, 0) / 1000):
            for _, everywhere in begun:
                await everywhere.wait()
    except OSError as error:
        logger.error("cannot write down where logs begin: %s", error)
        for _, everywhere in begun:
            everywhere.leave()
            everywhere.settle(ErrorCode.KAFKA_STORAGE_ERROR)
    finally:
        for _, everywhere in begun:
            everywhere.leave()
    return DeleteRecordsResponse(
        topics=[DeleteRecordsTopicResult(name, [_answer(each) for each in partitions]) for name, partitions in topics]
    )


def _delete(topic: str, wanted: DeleteRecordsPartition, context: RequestContext) -> Deletion:
    index = wanted.partition_index
    partition = context.broker.replicas.partition(topic, index)
    if isinstance(partition, ErrorCode):
        return Deletion(index, partition)
    if topic in INTERNAL_TOPICS:
        return Deletion(index, ErrorCode.INVALID_TOPIC_EXCEPTION)
    if not partition.log.config.deletes:
        return Deletion(index, ErrorCode.POLICY_VIOLATION)
    offset = partition.high_watermark if wanted.offset == HIGH_WATERMARK else wanted.offset
    if not 0 <= offset <= partition.high_watermark:
        return Deletion(index, ErrorCode.OFFSET_OUT_OF_RANGE)
    partition.log.advance_log_start(offset)
    return Deletion(index, partition=partition, everywhere=partition.deletion_of(offset))


async def _write_down(partitions: list[Partition], context: RequestContext) -> None:
    """Where the logs of these begin. Raises OSError."""
    checkpoints = context.broker.checkpoints
    await checkpoints.write((LOG_START_OFFSETS,))
    for partition in partitions:
        partition.log_start_written(checkpoints.log_start_written(partition))


def _answer(deletion: Deletion) -> DeleteRecordsPartitionResult:
    error = deletion.error
    if deletion.everywhere is not None:
        error = ErrorCode.REQUEST_TIMED_OUT if deletion.everywhere.outcome is None else deletion.everywhere.outcome
    low = deletion.partition.log.log_start_offset if deletion.partition is not None and not error else NO_LOW_WATERMARK
    return DeleteRecordsPartitionResult(partition_index=deletion.index, low_watermark=low, error_code=error)
