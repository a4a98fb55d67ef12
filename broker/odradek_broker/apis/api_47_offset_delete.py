"""OffsetDelete (API key 47), version 0: delete committed offsets of a group (KIP-496).

Behaviour
    Partitions are answered one by one; an offset that is not there is deleted already.
    A member reads the topic         GROUP_SUBSCRIBED_TO_TOPIC
    Unknown topic                    UNKNOWN_TOPIC_OR_PARTITION
    Members that are no consumers    NON_EMPTY_GROUP, for the whole request
    Unknown group                    GROUP_ID_NOT_FOUND, for the whole request; without a name: INVALID_GROUP_ID
"""

from __future__ import annotations

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.runtime import CoordinatorUnavailable

REQUEST, VERSIONS = OffsetDeleteRequest, range(1)


async def handle(request: OffsetDeleteRequest, context: RequestContext) -> OffsetDeleteResponse:
    topics = context.broker.image.topics
    known = [each for each in request.topics if each.name in topics]
    try:
        found = await context.broker.groups.delete_offsets(structs.replace(request, topics=known))
    except CoordinatorUnavailable as unavailable:
        return OffsetDeleteResponse(error_code=unavailable.error_code)
    if found.error_code:
        return found
    deleted = iter(found.topics)
    return OffsetDeleteResponse(
        topics=[next(deleted) if each.name in topics else _unknown(each) for each in request.topics]
    )


def _unknown(topic: OffsetDeleteRequestTopic) -> OffsetDeleteResponseTopic:
    error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return OffsetDeleteResponseTopic(
        topic.name, [OffsetDeleteResponsePartition(each.partition_index, error) for each in topic.partitions]
    )
