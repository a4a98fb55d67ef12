"""DeleteRecords (API key 21), versions 0-2: move the start of partitions' logs forward.

Behaviour
    Partitions are answered one by one with the offset that their log begins with now. Offset -1 is the high watermark.
    Beyond the high watermark, or below -1    OFFSET_OUT_OF_RANGE
    Topic without the delete policy           POLICY_VIOLATION
    A coordinator's own topic                 INVALID_TOPIC_EXCEPTION
    Not on this broker                        UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER
    Space is freed with the next pass of retention.
Versions
    2 flexible
"""

from __future__ import annotations

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

REQUEST, VERSIONS = DeleteRecordsRequest, range(3)

HIGH_WATERMARK, NO_LOW_WATERMARK = -1, -1


def handle(request: DeleteRecordsRequest, context: RequestContext) -> DeleteRecordsResponse:
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                name=topic.name,
                partitions=[_delete(topic.name, partition, context) for partition in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _delete(topic: str, wanted: DeleteRecordsPartition, context: RequestContext) -> DeleteRecordsPartitionResult:
    index = wanted.partition_index
    partition = context.broker.partition(topic, index)
    if isinstance(partition, ErrorCode):
        return _refuse(index, partition)
    if topic in INTERNAL_TOPICS:
        return _refuse(index, ErrorCode.INVALID_TOPIC_EXCEPTION)
    if not partition.log.config.deletes:
        return _refuse(index, ErrorCode.POLICY_VIOLATION)
    offset = partition.high_watermark if wanted.offset == HIGH_WATERMARK else wanted.offset
    if not 0 <= offset <= partition.high_watermark:
        return _refuse(index, ErrorCode.OFFSET_OUT_OF_RANGE)
    partition.log.advance_log_start(offset)
    return DeleteRecordsPartitionResult(partition_index=index, low_watermark=partition.log.log_start_offset)


def _refuse(index: int, error: ErrorCode) -> DeleteRecordsPartitionResult:
    return DeleteRecordsPartitionResult(partition_index=index, low_watermark=NO_LOW_WATERMARK, error_code=error)
