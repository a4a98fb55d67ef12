"""ListPartitionReassignments (API key 46), version 0: which partitions are on their way to other brokers (KIP-455).

Behaviour
    Null topics are all of them. Topics and partitions that do not exist are left out, as are those that stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from odradek.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
    OngoingPartitionReassignment,
    OngoingTopicReassignment,
)
from odradek_broker.apis import RequestContext
from odradek_broker.controller.image import PartitionImage, TopicImage

REQUEST, VERSIONS = ListPartitionReassignmentsRequest, range(1)


async def handle(
    request: ListPartitionReassignmentsRequest, context: RequestContext
) -> ListPartitionReassignmentsResponse:
    answer = partial(_answer, request, context.broker.image.topics)
    return await context.broker.looks.look(answer)


def _answer(
    request: ListPartitionReassignmentsRequest, topics: Mapping[str, TopicImage]
) -> ListPartitionReassignmentsResponse:
    """In any thread: an image does not change."""
    if request.topics is None:
        wanted = [(topic, list(topic.partitions)) for topic in topics.values()]
    else:
        wanted = [(topics[each.name], list(each.partition_indexes)) for each in request.topics if each.name in topics]
    ongoing = [_ongoing(topic, indexes) for topic, indexes in wanted]
    return ListPartitionReassignmentsResponse(
        error_message=None, topics=[topic for topic in ongoing if topic.partitions]
    )


def _ongoing(topic: TopicImage, indexes: list[int]) -> OngoingTopicReassignment:
    found = ((index, topic.partitions.get(index)) for index in indexes)
    moving = [_moving(index, partition) for index, partition in found if partition and partition.is_reassigning]
    return OngoingTopicReassignment(name=topic.name, partitions=moving)


def _moving(index: int, partition: PartitionImage) -> OngoingPartitionReassignment:
    return OngoingPartitionReassignment(
        partition_index=index,
        replicas=partition.replicas,
        adding_replicas=partition.adding_replicas,
        removing_replicas=partition.removing_replicas,
    )
