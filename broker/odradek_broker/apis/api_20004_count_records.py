"""CountRecords (API key 20004, Odradek's own), version 0: how many records lie between two offsets of partitions.

Behaviour
    Counted are records that a consumer would be given: no markers, no gaps, nothing aborted where it reads committed
    Partitions are answered one by one, as ListOffsets does, and with its errors; a bad one never fails its neighbours
    What was deleted is not there   a count that begins before the log does begins with it
    Behind the end                  no records, no error
    Advertised to Odradek's own client alone. Others run between any two steps of a count.
"""

from __future__ import annotations

from collections import Counter

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.count_records import (
    TO_THE_END,
    CountRecordsPartition,
    CountRecordsPartitionResponse,
    CountRecordsRequest,
    CountRecordsResponse,
    CountRecordsTopicResponse,
)
from odradek.protocol.primitives import ProtocolError
from odradek_broker.apis import RequestContext
from odradek_broker.log.failures import DamagedLog
from odradek_broker.loop.slices import Slices
from odradek_broker.partitions.counting import count_remaining
from odradek_broker.partitions.leader_epochs import check_leader_epoch
from odradek_broker.partitions.offsets_by_time import Deposed

REQUEST, VERSIONS = CountRecordsRequest, range(1)
FOR_OWN_CLIENTS = True

READ_COMMITTED = 1


async def handle(request: CountRecordsRequest, context: RequestContext) -> CountRecordsResponse:
    committed = request.isolation_level == READ_COMMITTED
    slices, topics = Slices(), []
    named = Counter((topic.name, one.partition_index) for topic in request.topics for one in topic.partitions)
    for topic in request.topics:
        found = []
        for one in topic.partitions:
            if named[topic.name, one.partition_index] > 1:
                found.append(_refused(one, ErrorCode.INVALID_REQUEST))
            else:
                found.append(await _answer(topic.name, one, slices, committed, context))
            await slices.pay()
        topics.append(CountRecordsTopicResponse(topic.name, found))
        await slices.pay()
    return CountRecordsResponse(now_ms=context.broker.clock.now_ms(), topics=topics)


async def _answer(
    topic: str, wanted: CountRecordsPartition, slices: Slices, committed: bool, context: RequestContext
) -> CountRecordsPartitionResponse:
    partition = context.broker.replicas.partition(topic, wanted.partition_index)
    if isinstance(partition, ErrorCode):
        return _refused(wanted, partition)
    error = check_leader_epoch(partition, wanted.current_leader_epoch)
    if not error and not partition.knows_its_end:
        error = ErrorCode.OFFSET_NOT_AVAILABLE
    if error:
        return _refused(wanted, error)
    limit = partition.last_stable_offset if committed else partition.high_watermark
    end = limit if wanted.end_offset == TO_THE_END else min(wanted.end_offset, limit)
    try:
        found = await count_remaining(
            partition, wanted.begin_offset, end, committed=committed, slices=slices, looks=context.broker.looks
        )
    except Deposed:
        return _refused(wanted, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    except DamagedLog as damage:
        is_mended = context.broker.replica_logs.met(partition, damage)
        return _refused(wanted, ErrorCode.KAFKA_STORAGE_ERROR if is_mended else ErrorCode.CORRUPT_MESSAGE)
    except OSError:
        return _refused(wanted, ErrorCode.KAFKA_STORAGE_ERROR)
    except ProtocolError:
        return _refused(wanted, ErrorCode.CORRUPT_MESSAGE)
    return CountRecordsPartitionResponse(
        partition_index=wanted.partition_index,
        log_start_offset=partition.log.log_start_offset,
        end_offset=limit,
        records=found.records,
        size_bytes=found.size_bytes,
        next_timestamp=found.next_timestamp,
    )


def _refused(wanted: CountRecordsPartition, error: ErrorCode) -> CountRecordsPartitionResponse:
    return CountRecordsPartitionResponse(partition_index=wanted.partition_index, error_code=error)
