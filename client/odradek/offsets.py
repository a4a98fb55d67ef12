"""Looking up offsets: the ends of partitions, and the first record from a time on (ListOffsets)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import trio
from msgspec import Struct

from odradek.cluster.cluster import Cluster
from odradek.errors import NotLeader, OdradekError, RequestTimedOut, broker_error
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
    failures: dict[TopicPartition, OdradekError] = {}
    final: OdradekError | None = None

    def take(partition: TopicPartition, answer: Answer) -> None:
        nonlocal final
        if isinstance(answer, FoundOffset):
            found[partition] = answer
            return
        failures[partition] = answer
        if not may_pass(answer):
            final = answer
            patience.cancel()  # who has not answered yet changes nothing any more

    with trio.move_on_after(timeout_s) as patience:
        while len(found) < len(timestamps):
            missing = {partition: ts for partition, ts in timestamps.items() if partition not in found}
            await ask_leaders(cluster, missing, take, read_committed=read_committed)
            if len(found) < len(timestamps):
                await trio.sleep(cluster.backoff_s)
                await _refresh(cluster)
    if final is not None:
        raise final
    missing_ones = [partition for partition in timestamps if partition not in found]
    if missing_ones:
        failure = next((failures[partition] for partition in missing_ones if partition in failures), None)
        raise failure or RequestTimedOut(f"no offsets of {len(missing_ones)} partitions within {timeout_s:g} s")
    return found


async def ask_leaders(
    cluster: Cluster,
    timestamps: Mapping[TopicPartition, int],
    take: Callable[[TopicPartition, Answer], None],
    *,
    read_committed: bool,
) -> None:
    """Ask each leader once, all at the same time: `take` has each answer as soon as it is there.

    A leader that is not there fails its own partitions only. One that is silent is waited for: this may be cancelled,
    and what has been taken then, is taken.
    """
    cluster.track(topic for topic, _ in timestamps)
    by_leader: dict[int, dict[TopicPartition, int]] = {}
    for partition, timestamp in timestamps.items():
        leader = cluster.image.leader(*partition)
        if leader < 0:
            known = cluster.image.topics.get(partition.topic)
            gone = known is None or partition.partition >= len(known.partitions) > 0
            code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if gone else ErrorCode.LEADER_NOT_AVAILABLE
            take(partition, broker_error(code, str(partition)))
        else:
            by_leader.setdefault(leader, {})[partition] = timestamp

    async def ask(leader: int, wanted: dict[TopicPartition, int]) -> None:
        try:
            answers = _answers(await _ask_leader(cluster, leader, wanted, read_committed))
        except OdradekError as error:
            answers = dict.fromkeys(wanted, error)
        for partition in wanted:
            take(partition, answers.get(partition) or _left_out(partition))

    async with trio.open_nursery() as nursery:
        for leader, wanted in by_leader.items():
            nursery.start_soon(ask, leader, wanted)


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


def _left_out(partition: TopicPartition) -> OdradekError:
    return broker_error(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"{partition}: not in the answer")


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
