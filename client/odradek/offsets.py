"""Looking up offsets: the ends of partitions, and the first record from a time on (ListOffsets)."""

from __future__ import annotations

from collections.abc import Mapping

import trio
from msgspec import Struct

from odradek.cluster import Cluster
from odradek.errors import NotLeader, OdradekError, RequestTimedOut, broker_error
from odradek.metadata import TopicPartition
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)

LATEST, EARLIEST, MAX_TIMESTAMP = -1, -2, -3
CONSUMER = -1

VERSION_OF_MAX_TIMESTAMP = 7


class FoundOffset(Struct, frozen=True):
    """What ListOffsets says of one partition. `offset` is -1 where no record matches."""

    offset: int
    timestamp: int
    leader_epoch: int


async def list_offsets(
    cluster: Cluster, timestamps: Mapping[TopicPartition, int], *, read_committed: bool, timeout_s: float
) -> dict[TopicPartition, FoundOffset]:
    """For each partition the first offset whose timestamp (ms) is not older; LATEST and EARLIEST are the ends.

    Tries again while leaders move. Raises RequestTimedOut when the time is over, or what a broker says that is final.
    """
    cluster.track(topic for topic, _ in timestamps)
    found: dict[TopicPartition, FoundOffset] = {}
    failure: OdradekError | None = None
    with trio.move_on_after(timeout_s):
        while len(found) < len(timestamps):
            missing = {partition: ts for partition, ts in timestamps.items() if partition not in found}
            try:
                failure = await _ask_leaders(cluster, missing, read_committed, found)
            except OdradekError as error:
                if not error.retriable:
                    raise
                failure = error
            if len(found) < len(timestamps):
                await trio.sleep(cluster.backoff_s)
                await _refresh(cluster)
    if len(found) < len(timestamps):
        raise failure or RequestTimedOut(
            f"no offsets of {len(timestamps) - len(found)} partitions within {timeout_s:g} s"
        )
    return found


async def _refresh(cluster: Cluster) -> None:
    try:
        await cluster.refresh()
    except OdradekError as error:
        if not error.retriable:
            raise


async def _ask_leaders(
    cluster: Cluster,
    timestamps: Mapping[TopicPartition, int],
    read_committed: bool,
    found: dict[TopicPartition, FoundOffset],
) -> OdradekError | None:
    by_leader: dict[int, dict[TopicPartition, int]] = {}
    failure: OdradekError | None = None
    for partition, timestamp in timestamps.items():
        leader = cluster.image.leader(*partition)
        if leader < 0:
            known = cluster.image.topics.get(partition.topic)
            gone = known is None or partition.partition >= len(known.partitions) > 0
            code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if gone else ErrorCode.LEADER_NOT_AVAILABLE
            failure = broker_error(code, str(partition))
        else:
            by_leader.setdefault(leader, {})[partition] = timestamp
    for leader, wanted in by_leader.items():
        answer = await _ask_leader(cluster, leader, wanted, read_committed)
        for topic in answer.topics:
            for p in topic.partitions:
                partition = TopicPartition(topic.name, p.partition_index)
                if p.error_code == ErrorCode.NONE:
                    found[partition] = FoundOffset(p.offset, p.timestamp, p.leader_epoch)
                    continue
                error = broker_error(p.error_code, str(partition))
                if not (error.retriable or isinstance(error, NotLeader)):
                    raise error
                failure = error
    return failure


async def _ask_leader(
    cluster: Cluster, leader: int, timestamps: Mapping[TopicPartition, int], read_committed: bool
) -> ListOffsetsResponse:
    topics: dict[str, list[ListOffsetsPartition]] = {}
    for partition, timestamp in timestamps.items():
        entry = ListOffsetsPartition(partition_index=partition.partition, timestamp=timestamp)
        topics.setdefault(partition.topic, []).append(entry)
    question = ListOffsetsRequest(
        replica_id=CONSUMER,
        isolation_level=int(read_committed),
        topics=[ListOffsetsTopic(name=name, partitions=partitions) for name, partitions in topics.items()],
        timeout_ms=cluster.config.request_timeout_ms,
    )
    return await cluster.request(leader, question, ListOffsetsResponse)
