"""OffsetCommit, TxnOffsetCommit, OffsetDelete and retention: how a group's offsets change.

Topics are known by name here; who asks by topic id has it looked up before.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import TypeAlias

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.group_metadata import OffsetCommitValue
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from odradek.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.coordination.record import fits
from odradek_broker.groups.group import ClassicGroup, GroupState
from odradek_broker.groups.kinds import Group
from odradek_broker.groups.offsets import CommittedOffset
from odradek_broker.groups.rebalance import set_session
from odradek_broker.groups.records import offset_record
from odradek_broker.groups.step import Step
from odradek_broker.groups.subscription import CONSUMER_PROTOCOL_TYPE

DEFAULT_RETENTION_MS = -1
NEVER_MS = 2**63 - 1
"""The latest moment that a record can name."""


Verdict: TypeAlias = Callable[[str, int], ErrorCode]
"""Whether an offset of a partition may be stored, and if not, why."""


def commit_offsets(group: Group, request: OffsetCommitRequest, step: Step, may_store: Verdict) -> OffsetCommitResponse:
    """Store what the caller may store; partitions are answered one by one."""

    def decide(topic: str, entry: OffsetCommitRequestPartition) -> ErrorCode:
        return may_store(topic, entry.partition_index) or _commit_one(group, request, topic, entry, step)

    return _answer(request, decide)


def refuse_commit(request: OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse:
    return _answer(request, lambda _topic, _entry: error)


def may_commit(group: ClassicGroup, request: OffsetCommitRequest, step: Step, *, transactional: bool) -> Verdict:
    """Of one who commits to a classic group. A commit is as good as a heartbeat."""
    error = _check_committer(group, request, transactional)
    if not error and request.member_id in group.members and not transactional:
        set_session(group, group.members[request.member_id], step)
    return lambda _topic, _partition: error


def _check_committer(group: ClassicGroup, request: OffsetCommitRequest, transactional: bool) -> ErrorCode:
    """Members commit in their generation; anybody may while there are no members."""
    generation = request.generation_id_or_member_epoch
    if generation < 0 and group.state is GroupState.EMPTY:
        return ErrorCode.NONE
    if generation >= 0 or request.member_id or request.group_instance_id is not None:
        error = group.check_member(request.member_id, request.group_instance_id)
        if not error and generation != group.generation:
            error = ErrorCode.ILLEGAL_GENERATION
        if error:
            return error
    elif not transactional:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if not transactional and group.state is GroupState.COMPLETING_REBALANCE:
        return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE


def _commit_one(
    group: Group, request: OffsetCommitRequest, topic: str, entry: OffsetCommitRequestPartition, step: Step
) -> ErrorCode:
    metadata = entry.committed_metadata or ""
    if len(metadata) > step.settings.offset_metadata_max_bytes or not fits(metadata):
        return ErrorCode.OFFSET_METADATA_TOO_LARGE
    now_ms, retention_ms = step.now.wall_ms, request.retention_time_ms
    value = OffsetCommitValue(
        offset=entry.committed_offset,
        leader_epoch=entry.committed_leader_epoch,
        metadata=metadata,
        commit_timestamp=now_ms,
        expire_timestamp=-1 if retention_ms == DEFAULT_RETENTION_MS else min(now_ms + retention_ms, NEVER_MS),
    )
    step.records.append(offset_record(group.group_id, topic, entry.partition_index, value))
    return ErrorCode.NONE


def _answer(
    request: OffsetCommitRequest, decide: Callable[[str, OffsetCommitRequestPartition], ErrorCode]
) -> OffsetCommitResponse:
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[
                    OffsetCommitResponsePartition(entry.partition_index, decide(topic.name, entry))
                    for entry in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


# --------------------------------------------------------------------------------------------------------- deletion


def delete_offsets(group: Group, request: OffsetDeleteRequest, step: Step) -> OffsetDeleteResponse:
    """Forget offsets of topics that nobody in the group reads (KIP-496)."""
    if not group.is_empty and group.protocol_type != CONSUMER_PROTOCOL_TYPE:
        return OffsetDeleteResponse(error_code=ErrorCode.NON_EMPTY_GROUP)
    return OffsetDeleteResponse(
        topics=[
            OffsetDeleteResponseTopic(
                topic.name,
                _delete_of_topic(group, topic.name, [each.partition_index for each in topic.partitions], step),
            )
            for topic in request.topics
        ]
    )


def _delete_of_topic(
    group: Group, topic: str, partitions: Sequence[int], step: Step
) -> list[OffsetDeleteResponsePartition]:
    if _reads(group, topic):
        error = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
    else:
        error = ErrorCode.NONE
        known = set(group.offsets.partitions())
        step.records.extend(
            offset_record(group.group_id, topic, partition, None)
            for partition in dict.fromkeys(partitions)
            if TopicPartition(topic, partition) in known
        )
    return [OffsetDeleteResponsePartition(partition, error) for partition in partitions]


def _reads(group: Group, topic: str) -> bool:
    """Whether a member reads the topic, or might: one whose words cannot be understood might read anything."""
    topics = group.subscribed_topics()
    return topics is None or topic in topics


def forget_topics(group: Group, topics: Container[str], step: Step) -> None:
    """Forget the offsets of topics that are no more."""
    gone = [key for key in group.offsets.partitions() if key.topic in topics]
    step.records.extend(offset_record(group.group_id, key.topic, key.partition, None) for key in gone)


def delete_group(group: Group, step: Step) -> ErrorCode:
    """Forget the group and every offset it has, if nobody is in it."""
    if not group.is_empty:
        return ErrorCode.NON_EMPTY_GROUP
    step.records.extend(
        offset_record(group.group_id, key.topic, key.partition, None) for key in group.offsets.partitions()
    )
    step.records.extend(group.tombstones())
    return ErrorCode.NONE


# -------------------------------------------------------------------------------------------------------- retention


def expire_offsets(group: Group, step: Step) -> None:
    """Forget offsets whose time is over, and the group itself when it is empty and has none left (KIP-211).

    They may go when the group is empty, or is in good order and no longer reads the topic.
    """
    topics = _topics_in_use(group)
    if topics is None:
        return
    due = [
        key
        for key, offset in group.offsets.committed.items()
        if key.topic not in topics and not group.offsets.is_unstable(key) and _is_over(group, offset, step)
    ]
    step.records.extend(offset_record(group.group_id, key.topic, key.partition, None) for key in due)
    left = len(group.offsets.committed) - len(due) + len(group.offsets.pending)
    if group.is_empty and not left and not group.is_awaited:
        step.records.extend(group.tombstones())


def _topics_in_use(group: Group) -> frozenset[str] | None:
    """None where it cannot be said. What classic members read is settled once they have agreed on it."""
    if isinstance(group, ClassicGroup) and group.state not in (GroupState.EMPTY, GroupState.STABLE):
        return None
    return group.subscribed_topics()


def _is_over(group: Group, offset: CommittedOffset, step: Step) -> bool:
    """An offset that was committed with a retention of its own keeps to that; others count from the commit, or from
    when the last member of the group has gone, whichever was later."""
    value, now_ms = offset.value, step.now.wall_ms
    if value.expire_timestamp != -1:
        return now_ms >= value.expire_timestamp
    return now_ms - max(value.commit_timestamp, group.empty_since_ms) >= step.settings.offsets_retention_ms
