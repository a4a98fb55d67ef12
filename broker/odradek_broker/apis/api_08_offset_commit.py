"""OffsetCommit (API key 8), versions 2-10: store a group's positions.

Behaviour
    Partitions are answered one by one; the answer comes when all that was stored is committed.
    Unknown topic or partition       UNKNOWN_TOPIC_OR_PARTITION; a topic by its id (version 10): UNKNOWN_TOPIC_ID
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

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from odradek_broker.apis import RequestContext
from odradek_broker.controller.image import TopicImage
from odradek_broker.runtime.coordinator_partition import CoordinatorUnavailable

REQUEST, VERSIONS = OffsetCommitRequest, range(2, 11)

BY_TOPIC_ID = 10


async def handle(request: OffsetCommitRequest, context: RequestContext) -> OffsetCommitResponse:
    images = [_image(topic, context) for topic in request.topics]
    known = [
        structs.replace(
            topic, name=image.name, partitions=[p for p in topic.partitions if p.partition_index in image.partitions]
        )
        for topic, image in zip(request.topics, images, strict=True)
        if image is not None
    ]
    stored = iter(await _commit(structs.replace(request, topics=known), context))
    unknown = ErrorCode.UNKNOWN_TOPIC_ID if context.version >= BY_TOPIC_ID else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return OffsetCommitResponse(
        topics=[
            _refused(topic, unknown) if image is None else _answered(topic, image, next(stored))
            for topic, image in zip(request.topics, images, strict=True)
        ]
    )


def _image(topic: OffsetCommitRequestTopic, context: RequestContext) -> TopicImage | None:
    """None where there is no such topic."""
    image = context.broker.image
    return image.topic_by_id(topic.topic_id) if context.version >= BY_TOPIC_ID else image.topics.get(topic.name)


def _answered(
    asked: OffsetCommitRequestTopic, image: TopicImage, stored: OffsetCommitResponseTopic
) -> OffsetCommitResponseTopic:
    """What was stored, and between it, in the order in which they were asked for, partitions that do not exist."""
    answers = iter(stored.partitions)
    partitions = [
        next(answers)
        if entry.partition_index in image.partitions
        else OffsetCommitResponsePartition(entry.partition_index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        for entry in asked.partitions
    ]
    return structs.replace(stored, partitions=partitions)


async def _commit(request: OffsetCommitRequest, context: RequestContext) -> list[OffsetCommitResponseTopic]:
    if not request.topics:
        return []
    try:
        return list((await context.broker.groups.commit(request, version=context.version)).topics)
    except CoordinatorUnavailable as unavailable:
        return [_refused(topic, unavailable.error_code) for topic in request.topics]


def _refused(topic: OffsetCommitRequestTopic, error: ErrorCode) -> OffsetCommitResponseTopic:
    return OffsetCommitResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        partitions=[OffsetCommitResponsePartition(each.partition_index, error) for each in topic.partitions],
    )
