"""What a fetch may read of one partition: consumers what is committed, followers all there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import AbortedTransaction, EpochEndOffset, FetchPartition, PartitionData
from odradek_broker.log.failures import DamagedLog, OffsetOutOfRange
from odradek_broker.partitions.leader_epochs import check_leader_epoch

if TYPE_CHECKING:
    from odradek_broker.log.file_slice import FileSlice
    from odradek_broker.partitions.partition import Partition
    from odradek_broker.partitions.replica_logs import ReplicaLogs


def elsewhere(partition: Partition, fetch: FetchPartition, replica: int) -> PartitionData:
    """Another replica is nearer to who asks (KIP-392)."""
    return PartitionData(
        partition_index=fetch.partition,
        high_watermark=partition.high_watermark,
        last_stable_offset=partition.last_stable_offset,
        log_start_offset=partition.log.log_start_offset,
        preferred_read_replica=replica,
        records=b"",
    )


def read_partition(
    partition: Partition,
    fetch: FetchPartition,
    left_bytes: int,
    *,
    committed: bool,
    min_one: bool,
    is_replica: bool,
    logs: ReplicaLogs,
) -> PartitionData:
    """At most `left_bytes`, but with `min_one` at least one batch. `committed`: what consumers see of transactions."""
    if partition.log.failed is not None:
        return refused(fetch, ErrorCode.KAFKA_STORAGE_ERROR)
    error = check_leader_epoch(partition, fetch.current_leader_epoch)
    if error:
        return refused(fetch, error)
    log, offset = partition.log, fetch.fetch_offset
    limit = stable = partition.last_stable_offset
    if is_replica:
        limit = log.log_end_offset
    elif not committed:
        limit = partition.high_watermark
    if partition.known_damage is not None and (damaged_at := partition.damaged_at) is not None:
        if offset == damaged_at:  # no checksum covers offsets: what lies there is given to nobody
            return refused(fetch, ErrorCode.CORRUPT_MESSAGE)
        limit = min(limit, damaged_at) if offset < damaged_at else limit
    diverging = diverging_epoch(partition, fetch)
    records, aborted = None, None
    try:
        if diverging.epoch < 0 and (left_bytes > 0 or min_one):
            max_bytes = min(fetch.partition_max_bytes, max(left_bytes, 0))
            records = log.read(offset, max_bytes, max_offset=limit, min_one=min_one)
            if records is not None and _is_in_known_damage(partition, offset, records):
                return refused(fetch, ErrorCode.CORRUPT_MESSAGE)
        if committed:
            found = [] if records is None else log.aborted_in(offset, records, limit)
            aborted = [AbortedTransaction(one.producer_id, one.first_offset) for one in found]
    except OffsetOutOfRange:
        if partition.leadership is None:
            return refused(fetch, ErrorCode.NOT_LEADER_OR_FOLLOWER)
        start = log.log_start_offset if is_replica else -1
        return refused(fetch, ErrorCode.OFFSET_OUT_OF_RANGE, log_start_offset=start)
    except DamagedLog as damage:
        is_mended = logs.met(partition, damage)
        return refused(fetch, ErrorCode.KAFKA_STORAGE_ERROR if is_mended else ErrorCode.CORRUPT_MESSAGE)
    except OSError:
        return refused(fetch, ErrorCode.KAFKA_STORAGE_ERROR)
    return PartitionData(
        partition_index=fetch.partition,
        high_watermark=partition.high_watermark,
        last_stable_offset=stable,
        log_start_offset=log.log_start_offset,
        diverging_epoch=diverging,
        aborted_transactions=aborted,
        records=b"" if records is None else records,
    )


def _is_in_known_damage(partition: Partition, offset: int, found: FileSlice) -> bool:
    """Whether what was found begins with the batch that is damaged, though that begins before the offset.

    Where that batch ends is not known, for no checksum covers its offsets. Raises OSError, OffsetOutOfRange.
    """
    if partition.known_damage is None or offset <= partition.known_damage[0]:
        return False
    log, (damaged, truncations) = partition.log, partition.known_damage
    if log.truncations != truncations:
        return False
    try:
        first = log.read(max(damaged, log.log_start_offset), 0)
    except DamagedLog:
        first = None  # what lies there cannot be read at all, so it is not what was found
    is_first = first is not None and (first.file is found.file and first.position == found.position)
    header = log.segments.at(found.segment_base_offset).header_at(found.position)
    return header.base_offset <= damaged or (is_first and log.log_start_offset <= damaged)


def diverging_epoch(partition: Partition, fetch: FetchPartition) -> EpochEndOffset:
    """Where the follower's log parts from ours; an empty one where it does not, or does not say."""
    if fetch.last_fetched_epoch < 0 or partition.leadership is None:
        return EpochEndOffset()
    epoch, end_offset = partition.log.end_offset_for_epoch(fetch.last_fetched_epoch)
    if epoch >= 0 and (epoch < fetch.last_fetched_epoch or end_offset < fetch.fetch_offset):
        return EpochEndOffset(epoch, end_offset)
    return EpochEndOffset()


def refused(fetch: FetchPartition, error: ErrorCode, *, log_start_offset: int = -1) -> PartitionData:
    return PartitionData(
        partition_index=fetch.partition,
        error_code=error,
        high_watermark=-1,
        log_start_offset=log_start_offset,
        aborted_transactions=None,
        records=b"",
    )
