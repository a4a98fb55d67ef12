"""DeleteShareGroupOffsets (API key 92), version 0: let a share group forget topics (KIP-932).

Behaviour
    Topics are answered one by one; one that the group has never shared is forgotten all the same.
    Somebody is in the group                 NON_EMPTY_GROUP
    No group id                              INVALID_GROUP_ID
    No such group, or one of another kind    GROUP_ID_NOT_FOUND
    No such topic                            UNKNOWN_TOPIC_OR_PARTITION
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.delete_share_group_offsets import (
    DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse,
    DeleteShareGroupOffsetsResponseTopic,
)
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.runtime import CoordinatorUnavailable

REQUEST, VERSIONS = DeleteShareGroupOffsetsRequest, range(1)


async def handle(request: DeleteShareGroupOffsetsRequest, context: RequestContext) -> DeleteShareGroupOffsetsResponse:
    if not request.group_id:
        return _refused(ErrorCode.INVALID_GROUP_ID)
    topics = context.broker.image.topics
    ids = {each.topic_name: topics[each.topic_name].topic_id for each in request.topics if each.topic_name in topics}
    try:
        errors = await context.broker.share_membership.delete_offsets(request.group_id, list(ids.values()))
    except CoordinatorUnavailable as unavailable:
        errors = unavailable.error_code
    if isinstance(errors, ErrorCode):
        return _refused(errors)
    answers = []
    for each in request.topics:
        answered = DeleteShareGroupOffsetsResponseTopic(each.topic_name)
        topic_id = ids.get(each.topic_name, answered.topic_id)
        error = errors.get(topic_id, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        message = error.sentence if error else None
        answers.append(DeleteShareGroupOffsetsResponseTopic(each.topic_name, topic_id, error, message))
    return DeleteShareGroupOffsetsResponse(responses=answers)


def _refused(error: ErrorCode) -> DeleteShareGroupOffsetsResponse:
    return DeleteShareGroupOffsetsResponse(error_code=error, error_message=error.sentence)
