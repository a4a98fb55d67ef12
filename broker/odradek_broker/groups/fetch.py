"""OffsetFetch: what a group has committed."""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
)
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.groups.kinds import Group
from odradek_broker.groups.offsets import GroupOffsets

NO_OFFSET = -1


def fetch_offsets(
    group: Group | None, request: OffsetFetchRequestGroup, *, require_stable: bool
) -> OffsetFetchResponseGroup:
    """Null topics ask for all; where nothing was committed the offset is -1, which is no error."""
    offsets = group.offsets if group is not None else GroupOffsets()
    wanted = everything(offsets) if request.topics is None else request.topics
    return OffsetFetchResponseGroup(
        group_id=request.group_id,
        topics=[
            OffsetFetchResponseTopics(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[
                    _fetch_one(offsets, TopicPartition(topic.name, partition), require_stable)
                    for partition in topic.partition_indexes
                ],
            )
            for topic in wanted
        ],
    )


def everything(offsets: GroupOffsets) -> list[OffsetFetchRequestTopics]:
    """What to ask for in order to get all there is."""
    partitions: dict[str, list[int]] = {}
    for key in offsets.partitions():
        partitions.setdefault(key.topic, []).append(key.partition)
    return [OffsetFetchRequestTopics(name=topic, partition_indexes=numbers) for topic, numbers in partitions.items()]


def _fetch_one(offsets: GroupOffsets, key: TopicPartition, require_stable: bool) -> OffsetFetchResponsePartitions:
    if require_stable and offsets.is_unstable(key):
        return nothing(key.partition, ErrorCode.UNSTABLE_OFFSET_COMMIT)
    found = offsets.committed.get(key)
    if found is None:
        return nothing(key.partition)
    value = found.value
    return OffsetFetchResponsePartitions(key.partition, value.offset, value.leader_epoch, value.metadata)


def nothing(partition: int, error: ErrorCode = ErrorCode.NONE) -> OffsetFetchResponsePartitions:
    return OffsetFetchResponsePartitions(partition, NO_OFFSET, -1, "", error)
