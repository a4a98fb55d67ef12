"""Give topics more partitions."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)
from odradek.protocol.messages.metadata_records import PartitionRecord
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.assignment import MAX_PARTITIONS, refuse_assignment, refuse_replication
from odradek_broker.controller.capacity import Capacity
from odradek_broker.controller.image import MetadataImage, TopicImage
from odradek_broker.controller.partitions import new_partition
from odradek_broker.controller.placement import Randomness, place
from odradek_broker.controller.result import ControllerResult
from odradek_broker.coordination.api_error import ApiError


def create_partitions(
    image: MetadataImage, request: CreatePartitionsRequest, config: BrokerConfig, random: Randomness
) -> ControllerResult[CreatePartitionsResponse]:
    """Answer each topic of the request, in its order; a name that is there twice is refused once."""
    records: list[Struct] = []
    capacity = Capacity(image, config)
    results = []
    occurrences = Counter(topic.name for topic in request.topics)
    for topic in {topic.name: topic for topic in request.topics}.values():
        try:
            if occurrences[topic.name] > 1:
                raise ApiError(ErrorCode.INVALID_REQUEST, "the topic is named more than once in the request")
            made = _enlarge(image, topic, random)
            if len(records) + len(made) > MAX_PARTITIONS:
                raise ApiError(ErrorCode.POLICY_VIOLATION, f"more than {MAX_PARTITIONS} partitions in one request")
            capacity.take(record.replicas for record in made)
        except ApiError as refusal:
            results.append(
                CreatePartitionsTopicResult(
                    name=topic.name, error_code=refusal.error_code, error_message=refusal.message
                )
            )
            continue
        records += made
        results.append(CreatePartitionsTopicResult(name=topic.name, error_message=None))
    return ControllerResult([] if request.validate_only else records, CreatePartitionsResponse(results=results))


def _enlarge(image: MetadataImage, request: CreatePartitionsTopic, random: Randomness) -> list[PartitionRecord]:
    topic = image.topics.get(request.name)
    if topic is None:
        raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no topic {request.name}")
    current = len(topic.partitions)
    if request.count <= current:
        raise ApiError(
            ErrorCode.INVALID_PARTITIONS, f"the topic has {current} partitions, and {request.count} would not be more"
        )
    if request.count - current > MAX_PARTITIONS:
        raise ApiError(ErrorCode.POLICY_VIOLATION, f"more than {MAX_PARTITIONS} partitions in one request")
    added = _added(image, topic, request, random)
    return [new_partition(image, topic.topic_id, current + step, replicas) for step, replicas in enumerate(added)]


def _added(
    image: MetadataImage, topic: TopicImage, request: CreatePartitionsTopic, random: Randomness
) -> list[tuple[int, ...]]:
    current, more = len(topic.partitions), request.count - len(topic.partitions)
    if request.assignments is None:
        refuse_replication(image, topic.replication_factor)
        return place(image.brokers.values(), more, topic.replication_factor, random, first=current)
    if len(request.assignments) != more:
        raise ApiError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"{more} partitions are to be added, and {len(request.assignments)} have an assignment",
        )
    added = [tuple(assignment.broker_ids) for assignment in request.assignments]
    refuse_assignment(image, added, topic.replication_factor)
    return added
