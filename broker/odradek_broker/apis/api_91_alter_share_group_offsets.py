"""AlterShareGroupOffsets (API key 91), version 0: set where a share group begins (KIP-932).

Behaviour
    Share partitions begin anew at the offset; what was in flight is forgotten. Partitions are answered one by one.
    Somebody is in the group                 NON_EMPTY_GROUP
    No group id                              INVALID_GROUP_ID
    A group of another kind                  GROUP_ID_NOT_FOUND; where there is none it begins by this
    No such topic or partition               UNKNOWN_TOPIC_OR_PARTITION
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_share_group_offsets import (
    AlterShareGroupOffsetsRequest,
    AlterShareGroupOffsetsRequestTopic,
    AlterShareGroupOffsetsResponse,
    AlterShareGroupOffsetsResponsePartition,
    AlterShareGroupOffsetsResponseTopic,
)
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.coordinators.share_membership import Errors

REQUEST, VERSIONS = AlterShareGroupOffsetsRequest, range(1)


async def handle(request: AlterShareGroupOffsetsRequest, context: RequestContext) -> AlterShareGroupOffsetsResponse:
    if not request.group_id:
        return _refused(ErrorCode.INVALID_GROUP_ID)
    topics = context.broker.image.topics
    offsets: dict[bytes, dict[int, int]] = {}
    for wanted in request.topics:
        known = topics.get(wanted.topic_name)
        if known is not None:
            at = {one.partition_index: one.start_offset for one in wanted.partitions}
            offsets[known.topic_id] = {index: offset for index, offset in at.items() if index in known.partitions}
    names = {topics[each.topic_name].topic_id: each.topic_name for each in request.topics if each.topic_name in topics}
    try:
        errors = await context.broker.share_membership.alter_offsets(request.group_id, offsets, names)
    except CoordinatorUnavailable as unavailable:
        errors = unavailable.error_code
    if isinstance(errors, ErrorCode):
        return _refused(errors)
    return AlterShareGroupOffsetsResponse(responses=[_answer(each, errors, context) for each in request.topics])


def _answer(
    wanted: AlterShareGroupOffsetsRequestTopic, errors: Errors, context: RequestContext
) -> AlterShareGroupOffsetsResponseTopic:
    topic = context.broker.image.topics.get(wanted.topic_name)
    answered = AlterShareGroupOffsetsResponseTopic(wanted.topic_name)
    topic_id = answered.topic_id if topic is None else topic.topic_id
    partitions = []
    for each in wanted.partitions:
        error = errors.get((topic_id, each.partition_index), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        message = error.sentence if error else None
        partitions.append(AlterShareGroupOffsetsResponsePartition(each.partition_index, error, message))
    return AlterShareGroupOffsetsResponseTopic(wanted.topic_name, topic_id, partitions)


def _refused(error: ErrorCode) -> AlterShareGroupOffsetsResponse:
    return AlterShareGroupOffsetsResponse(error_code=error, error_message=error.sentence)
