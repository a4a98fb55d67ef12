"""DescribeShareGroupOffsets (API key 90), versions 0-1: read how far share groups are (KIP-932).

Behaviour
    Without topics, of all that the group has begun to share: nothing, where there is no such group. A partition of
    which nothing is stored yet has the start offset -1, as has one that does not exist. The lag is what lies behind the
    start and is not done with; -1 where that cannot be said.
    No group id                              INVALID_GROUP_ID
Versions
    1 lag (KIP-1226)
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_share_group_offsets import (
    DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsResponse,
    DescribeShareGroupOffsetsResponseGroup,
    DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
)
from odradek.protocol.messages.read_share_group_state_summary import PartitionResult
from odradek.protocol.schema import ZERO_UUID
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.coordinators.share_persister import each_at_once
from odradek_broker.sharing.records import StateKey
from odradek_broker.sharing.share_state import UNINITIALIZED

REQUEST, VERSIONS = DescribeShareGroupOffsetsRequest, range(2)

Wanted = dict[str, list[int]]
"""Partitions by topic."""
NO_LAG = -1
NOTHING_STORED = PartitionResult(start_offset=UNINITIALIZED)


async def handle(
    request: DescribeShareGroupOffsetsRequest, context: RequestContext
) -> DescribeShareGroupOffsetsResponse:
    return DescribeShareGroupOffsetsResponse(groups=[await _describe(each, context) for each in request.groups])


async def _describe(
    group: DescribeShareGroupOffsetsRequestGroup, context: RequestContext
) -> DescribeShareGroupOffsetsResponseGroup:
    if not group.group_id:
        return _refused(group.group_id, ErrorCode.INVALID_GROUP_ID)
    try:
        known = await context.broker.share_membership.initialized(group.group_id)
    except CoordinatorUnavailable as unavailable:
        return _refused(group.group_id, unavailable.error_code)
    if isinstance(known, ErrorCode):
        known = {}
    if group.topics is None:
        wanted = {each.name: sorted(each.partitions) for each in known.values()}
    else:
        wanted = {each.topic_name: list(each.partitions) for each in group.topics}
    topics = context.broker.image.topics
    keys = [
        StateKey(group.group_id, topics[name].topic_id, index)
        for name, partitions in wanted.items()
        for index in partitions
        if name in topics and index in topics[name].partitions
    ]
    found = await each_at_once(keys, context.broker.sharing.persister.read_summary)
    ends = await context.broker.end_offsets.find(
        TopicPartition(name, index) for name, partitions in wanted.items() for index in partitions if name in topics
    )
    return DescribeShareGroupOffsetsResponseGroup(
        group.group_id, [_topic(group.group_id, *each, found, ends, context) for each in wanted.items()]
    )


def _refused(group_id: str, error: ErrorCode) -> DescribeShareGroupOffsetsResponseGroup:
    return DescribeShareGroupOffsetsResponseGroup(group_id, (), error, error.sentence)


def _topic(
    group_id: str,
    name: str,
    partitions: list[int],
    found: dict[StateKey, PartitionResult | ErrorCode],
    ends: dict[TopicPartition, int],
    context: RequestContext,
) -> DescribeShareGroupOffsetsResponseTopic:
    topic = context.broker.image.topics.get(name)
    topic_id = ZERO_UUID if topic is None else topic.topic_id
    answers = []
    for index in partitions:
        summary = found.get(StateKey(group_id, topic_id, index), NOTHING_STORED)
        answers.append(_partition(index, summary, ends.get(TopicPartition(name, index))))
    return DescribeShareGroupOffsetsResponseTopic(name, topic_id, answers)


def _partition(
    index: int, summary: PartitionResult | ErrorCode, end_offset: int | None
) -> DescribeShareGroupOffsetsResponsePartition:
    if isinstance(summary, ErrorCode):
        return DescribeShareGroupOffsetsResponsePartition(
            index, UNINITIALIZED, 0, NO_LAG, error_code=summary, error_message=summary.sentence
        )
    lag = NO_LAG
    if end_offset is not None and summary.start_offset >= 0:
        lag = max(end_offset - summary.start_offset - max(summary.delivery_complete_count, 0), 0)
    return DescribeShareGroupOffsetsResponsePartition(index, summary.start_offset, summary.leader_epoch, lag)
