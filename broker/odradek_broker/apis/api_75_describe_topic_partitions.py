"""DescribeTopicPartitions (API key 75), version 0: topics page by page, with their eligible leader replicas (KIP-966).

Behaviour
    Topics come in the order of their names, an empty list means all of them. The cursor names the partition to begin
    with; topics before it are left out. No more than max.request.partition.size.limit partitions are answered.
    Unknown name                     UNKNOWN_TOPIC_OR_PARTITION; an illegal one: INVALID_TOPIC_EXCEPTION
    A cursor with a negative index   INVALID_REQUEST for every topic
"""

from __future__ import annotations

from functools import partial

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)
from odradek_broker.apis import RequestContext
from odradek_broker.apis.addresses import leader_of, offline_replicas
from odradek_broker.apis.operations import TOPIC_OPERATIONS
from odradek_broker.controller.image import INTERNAL_TOPICS, PartitionImage, TopicImage
from odradek_broker.controller.names import check_topic_name
from odradek_broker.loop.slices import SLICE

REQUEST, VERSIONS = DescribeTopicPartitionsRequest, range(1)


async def handle(request: DescribeTopicPartitionsRequest, context: RequestContext) -> DescribeTopicPartitionsResponse:
    if len(request.topics or context.broker.image.topics) <= SLICE:
        return _answer(request, context)
    return await context.broker.looks.look(partial(_answer, request, context))


def _answer(request: DescribeTopicPartitionsRequest, context: RequestContext) -> DescribeTopicPartitionsResponse:
    """Of nothing but the image, which does not change: so in any thread."""
    topics, cursor = context.broker.image.topics, request.cursor
    wanted = {topic.name for topic in request.topics}
    if cursor is not None and cursor.partition_index < 0:
        refused = [_refused(name, ErrorCode.INVALID_REQUEST) for name in sorted(wanted)]
        return DescribeTopicPartitionsResponse(topics=refused)
    left = min(max(request.response_partition_limit, 1), context.broker.config.max_request_partition_size_limit)
    answers: list[DescribeTopicPartitionsResponseTopic] = []
    for name in sorted(wanted or topics):
        if cursor is not None and name < cursor.topic_name:
            continue
        if name not in topics:
            answers.append(_refused(name, _why(name)))
            continue
        first = cursor.partition_index if cursor is not None and name == cursor.topic_name else 0
        indexes = [index for index in topics[name].partitions if index >= first]
        if indexes and not left:
            return DescribeTopicPartitionsResponse(topics=answers, next_cursor=Cursor(name, indexes[0]))
        answers.append(_topic(topics[name], indexes[:left], context))
        if len(indexes) > left:
            return DescribeTopicPartitionsResponse(topics=answers, next_cursor=Cursor(name, indexes[left]))
        left -= len(indexes)
    return DescribeTopicPartitionsResponse(topics=answers)


def _why(name: str) -> ErrorCode:
    legal = check_topic_name(name) is None
    return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if legal else ErrorCode.INVALID_TOPIC_EXCEPTION


def _refused(name: str, error: ErrorCode) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        error_code=error,
        name=name,
        is_internal=name in INTERNAL_TOPICS,
        topic_authorized_operations=TOPIC_OPERATIONS,
    )


def _topic(topic: TopicImage, indexes: list[int], context: RequestContext) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        partitions=[_partition(index, topic.partitions[index], context) for index in indexes],
        topic_authorized_operations=TOPIC_OPERATIONS,
    )


def _partition(
    index: int, partition: PartitionImage, context: RequestContext
) -> DescribeTopicPartitionsResponsePartition:
    error, leader = leader_of(partition, context)
    return DescribeTopicPartitionsResponsePartition(
        error_code=error,
        partition_index=index,
        leader_id=leader,
        leader_epoch=partition.leader_epoch,
        replica_nodes=partition.replicas,
        isr_nodes=partition.isr,
        eligible_leader_replicas=partition.elr,
        last_known_elr=partition.last_known_elr,
        offline_replicas=offline_replicas(partition, context),
    )
