"""Looking up offsets: the ends of partitions, and the first record from a time on (ListOffsets)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TypeAlias

from msgspec import Struct

from odradek.cluster.cluster import Cluster
from odradek.cluster.leaders import AskLeader, ask_until_all_answer
from odradek.errors import OdradekError, broker_error
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from odradek.protocol.topic_partition import TopicPartition

LATEST, EARLIEST, MAX_TIMESTAMP = -1, -2, -3
CONSUMER = -1

VERSION_OF_MAX_TIMESTAMP = 7


class FoundOffset(Struct, frozen=True):
    """What ListOffsets says of one partition. `offset` is -1 where no record matches."""

    offset: int
    timestamp: int
    leader_epoch: int


Answer: TypeAlias = FoundOffset | OdradekError
"""What became of one partition in one round: an offset, or why there is none."""


async def list_offsets(
    cluster: Cluster, timestamps: Mapping[TopicPartition, int], *, read_committed: bool, timeout_s: float
) -> dict[TopicPartition, FoundOffset]:
    """For each partition the first offset whose timestamp (ms) is not older; LATEST and EARLIEST are the ends.

    Tries again while leaders move. Raises RequestTimedOut when the time is over, or what a broker says that is final.
    """
    ask = offset_finder(cluster, read_committed=read_committed)
    return await ask_until_all_answer(cluster, timestamps, ask, timeout_s)


def offset_finder(cluster: Cluster, *, read_committed: bool) -> AskLeader[int, FoundOffset]:
    """To ask a leader for the offsets of timestamps."""
    return partial(_ask_leader, cluster, read_committed)


async def _ask_leader(
    cluster: Cluster, read_committed: bool, leader: int, timestamps: Mapping[TopicPartition, int]
) -> dict[TopicPartition, Answer]:
    topics: dict[str, list[ListOffsetsPartition]] = {}
    for partition, timestamp in timestamps.items():
        entry = ListOffsetsPartition(partition_index=partition.partition, timestamp=timestamp)
        topics.setdefault(partition.topic, []).append(entry)
    question = ListOffsetsRequest(
        replica_id=CONSUMER,
        isolation_level=int(read_committed),
        topics=[ListOffsetsTopic(name=name, partitions=partitions) for name, partitions in topics.items()],
        timeout_ms=cluster.request_timeout_ms,
    )
    return _answers(await cluster.request(leader, question, ListOffsetsResponse))


def _answers(response: ListOffsetsResponse) -> dict[TopicPartition, Answer]:
    answers: dict[TopicPartition, Answer] = {}
    for topic in response.topics:
        for p in topic.partitions:
            partition = TopicPartition(topic.name, p.partition_index)
            if p.error_code == ErrorCode.NONE:
                answers[partition] = FoundOffset(p.offset, p.timestamp, p.leader_epoch)
            else:
                answers[partition] = broker_error(p.error_code, str(partition))
    return answers
