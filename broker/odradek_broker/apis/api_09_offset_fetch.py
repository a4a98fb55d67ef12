"""OffsetFetch (API key 9), versions 1-10: read a group's committed positions.

Behaviour
    Null topics are all that the group has committed; an empty list is none.
    Nothing committed                offset -1, leader epoch -1, empty metadata, and no error
    A transaction may still change it    UNSTABLE_OFFSET_COMMIT where require_stable is set
    Unknown topic id (version 10)    UNKNOWN_TOPIC_ID
    A group that does not exist is one that has committed nothing.
    Not our group                    an error of the group (8 on), of the answer (2 on), of each partition (1)
Versions
    2 null topics, error_code    3 throttle_time_ms    5 leader epochs    6 flexible    7 require_stable
    8 many groups    9 members of the newer protocol    10 topic ids
"""

from __future__ import annotations

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.groups.fetch import nothing
from odradek_broker.loop.slices import Slices

REQUEST, VERSIONS = OffsetFetchRequest, range(1, 11)

ERROR_OF_ANSWER, MANY_GROUPS, BY_TOPIC_ID = 2, 8, 10


async def handle(request: OffsetFetchRequest, context: RequestContext) -> OffsetFetchResponse:
    if context.version >= MANY_GROUPS:
        slices, groups = Slices(), []
        for each in request.groups:
            groups.append(await _fetch(each, request, context))
            await slices.pay(1 + len(groups[-1].topics))
        return OffsetFetchResponse(groups=groups)
    topics = None
    if request.topics is not None:
        topics = [
            OffsetFetchRequestTopics(each.name, partition_indexes=each.partition_indexes) for each in request.topics
        ]
    return _of_one_group(await _fetch(OffsetFetchRequestGroup(request.group_id, topics=topics), request, context))


async def _fetch(
    group: OffsetFetchRequestGroup, request: OffsetFetchRequest, context: RequestContext
) -> OffsetFetchResponseGroup:
    try:
        if context.version >= BY_TOPIC_ID:
            return await _fetch_by_id(group, request, context)
        return await context.broker.groups.fetch(group, require_stable=request.require_stable)
    except CoordinatorUnavailable as unavailable:
        topics: list[OffsetFetchResponseTopics] = []
        if context.version < ERROR_OF_ANSWER:
            topics = [_nothing_of(topic, unavailable.error_code) for topic in group.topics or ()]
        return OffsetFetchResponseGroup(group.group_id, topics, unavailable.error_code)


def _nothing_of(topic: OffsetFetchRequestTopics, error: ErrorCode) -> OffsetFetchResponseTopics:
    partitions = [nothing(partition, error) for partition in topic.partition_indexes]
    return OffsetFetchResponseTopics(topic.name, topic.topic_id, partitions)


# ------------------------------------------------------------------------------------------------------- topic ids


async def _fetch_by_id(
    group: OffsetFetchRequestGroup, request: OffsetFetchRequest, context: RequestContext
) -> OffsetFetchResponseGroup:
    """Groups keep offsets by topic name: look the names up, and the ids again in the answer."""
    image, groups = context.broker.image, context.broker.groups
    if group.topics is None:
        found = await groups.fetch(group, require_stable=request.require_stable)
        with_ids = [
            structs.replace(each, topic_id=image.topics[each.name].topic_id)
            for each in found.topics
            if each.name in image.topics
        ]
        return structs.replace(found, topics=with_ids)
    known = [
        structs.replace(each, name=image.topic_names[each.topic_id])
        for each in group.topics
        if each.topic_id in image.topic_names
    ]
    found = await groups.fetch(structs.replace(group, topics=known), require_stable=request.require_stable)
    if found.error_code:
        return found  # it is of the group, and of no topic
    answered = iter(found.topics)
    known_ids = {each.topic_id for each in known}
    return structs.replace(
        found,
        topics=[
            next(answered) if each.topic_id in known_ids else _nothing_of(each, ErrorCode.UNKNOWN_TOPIC_ID)
            for each in group.topics
        ],
    )


# ------------------------------------------------------------------------------------------------- up to version 7


def _the_group(request: OffsetFetchRequest) -> OffsetFetchRequestGroup:
    if request.topics is None:
        return OffsetFetchRequestGroup(request.group_id, topics=None)
    topics = [OffsetFetchRequestTopics(each.name, partition_indexes=each.partition_indexes) for each in request.topics]
    return OffsetFetchRequestGroup(request.group_id, topics=topics)


def _of_one_group(group: OffsetFetchResponseGroup) -> OffsetFetchResponse:
    return OffsetFetchResponse(
        error_code=group.error_code,
        topics=[
            OffsetFetchResponseTopic(
                topic.name,
                [
                    OffsetFetchResponsePartition(
                        each.partition_index,
                        each.committed_offset,
                        each.committed_leader_epoch,
                        each.metadata,
                        each.error_code,
                    )
                    for each in topic.partitions
                ],
            )
            for topic in group.topics
        ],
    )
