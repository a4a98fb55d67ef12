"""ListOffsets (API key 2), versions 1-11: find offsets by timestamp, or the ends of partitions.

Behaviour
    -1 latest                 the high watermark, or the last stable offset for read committed
    -2 earliest, -4 local     where the log begins
    -3 max timestamp          the first of the youngest records (version 7 on)
    -5 tiered, -6 pending     there is no tiered storage: no offset, from versions 9 and 11 on
    0 and above               the first record as young as that
    No match                  offset -1, timestamp -1, no error
    Other timestamps          UNSUPPORTED_VERSION; a partition named twice INVALID_REQUEST
    A leader that is too new  OFFSET_NOT_AVAILABLE (version 5 on), LEADER_NOT_AVAILABLE: it does not know yet how much
                              of what it has was committed (KIP-207)
    A damaged batch           CORRUPT_MESSAGE: a producer's lie, which an append does not look into; or the disk's, as
                              with Fetch. So is one too large to be looked into (log/raw_batch.py)
    Another leads meanwhile   NOT_LEADER_OR_FOLLOWER: what is walked over may be cut, and that is no damage
    Others run between any two batches that are looked into.
Versions
    2 isolation_level    4 leader epochs    6 flexible
"""

from __future__ import annotations

from collections import Counter

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from odradek.protocol.primitives import ProtocolError
from odradek_broker.apis import RequestContext
from odradek_broker.log.failures import DamagedLog
from odradek_broker.loop.slices import Slices
from odradek_broker.partitions.leader_epochs import check_leader_epoch
from odradek_broker.partitions.offsets_by_time import Deposed, first_offset_by_time
from odradek_broker.partitions.partition import Partition

REQUEST, VERSIONS = ListOffsetsRequest, range(1, 12)

LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING = -1, -2, -3, -4, -5, -6
SINCE_VERSION = {LATEST: 1, EARLIEST: 1, MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9, EARLIEST_PENDING: 11}
READ_COMMITTED = 1
NOTHING = -1
OFFSET_NOT_AVAILABLE_SINCE = 5


async def handle(request: ListOffsetsRequest, context: RequestContext) -> ListOffsetsResponse:
    slices, topics = Slices(), []
    named = Counter((topic.name, one.partition_index) for topic in request.topics for one in topic.partitions)
    for topic in request.topics:
        found = []
        for one in topic.partitions:
            if named[topic.name, one.partition_index] > 1:
                found.append(_refused(one, ErrorCode.INVALID_REQUEST))
            else:
                found.append(await _find(topic.name, one, slices, request, context))
            await slices.pay()
        topics.append(ListOffsetsTopicResponse(topic.name, found))
        await slices.pay()
    return ListOffsetsResponse(topics=topics)


async def _find(
    topic: str, wanted: ListOffsetsPartition, slices: Slices, request: ListOffsetsRequest, context: RequestContext
) -> ListOffsetsPartitionResponse:
    partition = context.broker.replicas.partition(topic, wanted.partition_index)
    if isinstance(partition, ErrorCode):
        return _refused(wanted, partition)
    error = check_leader_epoch(partition, wanted.current_leader_epoch)
    if (
        not error
        and wanted.timestamp < 0
        and context.version < SINCE_VERSION.get(wanted.timestamp, context.version + 1)
    ):
        error = ErrorCode.UNSUPPORTED_VERSION
    if not error and not partition.knows_its_end and wanted.timestamp not in (EARLIEST, EARLIEST_LOCAL):
        known = context.version >= OFFSET_NOT_AVAILABLE_SINCE
        error = ErrorCode.OFFSET_NOT_AVAILABLE if known else ErrorCode.LEADER_NOT_AVAILABLE
    if error:
        return _refused(wanted, error)
    committed = request.isolation_level == READ_COMMITTED
    limit = partition.last_stable_offset if committed else partition.high_watermark
    try:
        timestamp, offset = await _offset(partition, wanted.timestamp, limit, slices, context)
    except Deposed:
        return _refused(wanted, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    except DamagedLog as damage:
        is_mended = context.broker.replica_logs.met(partition, damage)
        return _refused(wanted, ErrorCode.KAFKA_STORAGE_ERROR if is_mended else ErrorCode.CORRUPT_MESSAGE)
    except OSError:
        return _refused(wanted, ErrorCode.KAFKA_STORAGE_ERROR)
    except ProtocolError:
        return _refused(wanted, ErrorCode.CORRUPT_MESSAGE)
    epoch = partition.leader_epoch if offset != NOTHING else NOTHING
    return ListOffsetsPartitionResponse(wanted.partition_index, 0, timestamp, offset, epoch)


async def _offset(
    partition: Partition, timestamp: int, limit: int, slices: Slices, context: RequestContext
) -> tuple[int, int]:
    """The answer's timestamp and offset. Raises OSError, ProtocolError, Deposed."""
    if timestamp == LATEST:
        return NOTHING, limit
    if timestamp in (EARLIEST, EARLIEST_LOCAL):
        return NOTHING, partition.log.log_start_offset
    if timestamp in (LATEST_TIERED, EARLIEST_PENDING):
        return NOTHING, NOTHING
    if timestamp == MAX_TIMESTAMP:
        timestamp = partition.log.max_timestamp()
    found = (
        None if timestamp < 0 else await first_offset_by_time(partition, timestamp, limit, slices, context.broker.looks)
    )
    return (NOTHING, NOTHING) if found is None else (found.timestamp, found.offset)


def _refused(wanted: ListOffsetsPartition, error: ErrorCode) -> ListOffsetsPartitionResponse:
    return ListOffsetsPartitionResponse(partition_index=wanted.partition_index, error_code=error)
