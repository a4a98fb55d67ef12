"""OffsetCommit (API key 8), versions 2-10: store a group's positions.

Behaviour
    Partitions are answered one by one; the answer comes when all that was stored is committed. Of a partition that is
    named several times the last offset counts; very many are stored by some hundreds at a time.
    Unknown topic or partition       UNKNOWN_TOPIC_OR_PARTITION; a topic by its id (version 10): UNKNOWN_TOPIC_ID.
                                     Where there is no other the coordinator is not asked, nor is it in Kafka
    Note longer than offset.metadata.max.bytes    OFFSET_METADATA_TOO_LARGE
    Another generation               ILLEGAL_GENERATION; not a member: UNKNOWN_MEMBER_ID
    A generation of no group         GROUP_ID_NOT_FOUND from version 9 on, ILLEGAL_GENERATION before
    No generation given              stored while the group has no members, else UNKNOWN_MEMBER_ID
    Between join and sync            REBALANCE_IN_PROGRESS
    Not committed within offsets.commit.timeout.ms    COORDINATOR_NOT_AVAILABLE, and it may yet be
Versions
    3 throttle_time_ms    5 retention_time_ms goes    6 leader epochs    7 static members    8 flexible
    9 members of the newer protocol    10 topic ids
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.apis import RequestContext
from odradek_broker.controller.image import TopicImage
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.loop.slices import Slices, batched

REQUEST, VERSIONS = OffsetCommitRequest, range(2, 11)

BY_TOPIC_ID = 10

PARTITIONS_AT_ONCE = 500

Offset: TypeAlias = tuple[TopicPartition, OffsetCommitRequestPartition]


async def handle(request: OffsetCommitRequest, context: RequestContext) -> OffsetCommitResponse:
    slices = Slices()
    images = [_image(topic, context) for topic in request.topics]
    wanted: dict[TopicPartition, OffsetCommitRequestPartition] = {}
    for topic, image in zip(request.topics, images, strict=True):
        for entry in topic.partitions:
            if image is not None and entry.partition_index in image.partitions:
                wanted[TopicPartition(image.name, entry.partition_index)] = entry
            await slices.pay()
    outcomes: dict[TopicPartition, ErrorCode] = {}
    for piece in batched(wanted.items(), PARTITIONS_AT_ONCE):
        outcomes |= await _commit(request, piece, context)
    answers = [
        await _answer(topic, image, outcomes, context, slices)
        for topic, image in zip(request.topics, images, strict=True)
    ]
    return OffsetCommitResponse(topics=answers)


def _image(topic: OffsetCommitRequestTopic, context: RequestContext) -> TopicImage | None:
    """None where there is no such topic."""
    image = context.broker.image
    return image.topic_by_id(topic.topic_id) if context.version >= BY_TOPIC_ID else image.topics.get(topic.name)


async def _commit(
    request: OffsetCommitRequest, offsets: Sequence[Offset], context: RequestContext
) -> dict[TopicPartition, ErrorCode]:
    topics: dict[str, list[OffsetCommitRequestPartition]] = {}
    for partition, entry in offsets:
        topics.setdefault(partition.topic, []).append(entry)
    some = [OffsetCommitRequestTopic(name=name, partitions=entries) for name, entries in topics.items()]
    try:
        stored = await context.broker.groups.commit(structs.replace(request, topics=some), version=context.version)
    except CoordinatorUnavailable as unavailable:
        return dict.fromkeys((partition for partition, _ in offsets), unavailable.error_code)
    return {
        TopicPartition(topic.name, each.partition_index): ErrorCode.from_code(each.error_code)
        for topic in stored.topics
        for each in topic.partitions
    }


async def _answer(
    topic: OffsetCommitRequestTopic,
    image: TopicImage | None,
    outcomes: dict[TopicPartition, ErrorCode],
    context: RequestContext,
    slices: Slices,
) -> OffsetCommitResponseTopic:
    unknown, name = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "" if image is None else image.name
    if image is None and context.version >= BY_TOPIC_ID:
        unknown = ErrorCode.UNKNOWN_TOPIC_ID
    partitions = []
    for each in topic.partitions:
        error = outcomes.get(TopicPartition(name, each.partition_index), unknown)
        partitions.append(OffsetCommitResponsePartition(each.partition_index, error))
        await slices.pay()
    return OffsetCommitResponseTopic(topic.name, topic.topic_id, partitions)
