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


class LookUp(Struct, frozen=True):
    """What one attempt has come to, partition by partition: each one is in one of the two."""

    found: dict[TopicPartition, FoundOffset]
    failed: dict[TopicPartition, OdradekError]

    def final_failure(self) -> OdradekError | None:
        """One that no further attempt can mend."""
        return next((error for error in self.failed.values() if not may_pass(error)), None)


def may_pass(error: OdradekError) -> bool:
    """Whether it is worth asking again, with fresh metadata."""
    return error.retriable or isinstance(error, NotLeader)


async def list_offsets(
    cluster: Cluster, timestamps: Mapping[TopicPartition, int], *, read_committed: bool, timeout_s: float
) -> dict[TopicPartition, FoundOffset]:
    """For each partition the first offset whose timestamp (ms) is not older; LATEST and EARLIEST are the ends.

    Tries again while leaders move. Raises RequestTimedOut when the time is over, or what a broker says that is final.
    """
    found: dict[TopicPartition, FoundOffset] = {}
    failure: OdradekError | None = None
    with trio.move_on_after(timeout_s):
        while len(found) < len(timestamps):
            missing = {partition: ts for partition, ts in timestamps.items() if partition not in found}
            attempt = await look_up_offsets(cluster, missing, read_committed=read_committed)
            found |= attempt.found
            final = attempt.final_failure()
            if final is not None:
                raise final
            if attempt.failed:
                failure = next(iter(attempt.failed.values()))
                await trio.sleep(cluster.backoff_s)
                await _refresh(cluster)
    if len(found) < len(timestamps):
        raise failure or RequestTimedOut(
            f"no offsets of {len(timestamps) - len(found)} partitions within {timeout_s:g} s"
        )
    return found


async def look_up_offsets(
    cluster: Cluster, timestamps: Mapping[TopicPartition, int], *, read_committed: bool
) -> LookUp:
    """Ask each leader once, all at the same time. A leader that is not there fails its own partitions only."""
    cluster.track(topic for topic, _ in timestamps)
    attempt = LookUp({}, {})
    by_leader: dict[int, dict[TopicPartition, int]] = {}
    for partition, timestamp in timestamps.items():
        leader = cluster.image.leader(*partition)
        if leader < 0:
            known = cluster.image.topics.get(partition.topic)
            gone = known is None or partition.partition >= len(known.partitions) > 0
            code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if gone else ErrorCode.LEADER_NOT_AVAILABLE
            attempt.failed[partition] = broker_error(code, str(partition))
        else:
            by_leader.setdefault(leader, {})[partition] = timestamp

    async def ask(leader: int, wanted: Mapping[TopicPartition, int]) -> None:
        try:
            answer = await _ask_leader(cluster, leader, wanted, read_committed)
        except OdradekError as error:
            attempt.failed.update(dict.fromkeys(wanted, error))
            return
        _take_answer(answer, wanted, attempt)

    async with trio.open_nursery() as nursery:
        for leader, wanted in by_leader.items():
            nursery.start_soon(ask, leader, wanted)
    return attempt


def _take_answer(answer: ListOffsetsResponse, wanted: Mapping[TopicPartition, int], attempt: LookUp) -> None:
    for topic in answer.topics:
        for p in topic.partitions:
            partition = TopicPartition(topic.name, p.partition_index)
            if p.error_code == ErrorCode.NONE:
                attempt.found[partition] = FoundOffset(p.offset, p.timestamp, p.leader_epoch)
            else:
                attempt.failed[partition] = broker_error(p.error_code, str(partition))
    for partition in wanted:
        if partition not in attempt.found:
            attempt.failed.setdefault(
                partition, broker_error(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"{partition}: not in the answer")
            )


async def _refresh(cluster: Cluster) -> None:
    try:
        await cluster.refresh()
    except OdradekError as error:
        if not error.retriable:
            raise


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
