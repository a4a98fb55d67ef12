"""Partitions on their way to other brokers (KIP-455, ReplicationControlManager.java).

While a partition moves it has its old replicas and its new ones; once all that are added are in sync, those that are to
go do (partition_change.py). A reassignment may be replaced by another, or cancelled: then it goes back.
"""

from __future__ import annotations

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)
from odradek.protocol.messages.metadata_records import PartitionChangeRecord
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.assignment import check_replicas
from odradek_broker.controller.capacity import Capacity
from odradek_broker.controller.image import MetadataImage, PartitionImage
from odradek_broker.controller.partition_change import Wish, change_partition
from odradek_broker.controller.partitions import directory_of, is_active
from odradek_broker.controller.replay import changed
from odradek_broker.controller.result import ControllerResult
from odradek_broker.controller.topic_rules import TopicRules
from odradek_broker.coordination.api_error import ApiError


class Move(Struct, frozen=True):
    """What replicas are to be while a partition moves."""

    replicas: list[int]
    adding: list[int]
    removing: list[int]
    isr: list[int]


def alter_reassignments(
    image: MetadataImage, request: AlterPartitionReassignmentsRequest, config: BrokerConfig
) -> ControllerResult[AlterPartitionReassignmentsResponse]:
    """Answer each partition; a bad one never fails its neighbours, and one that is named again is moved on."""
    rules, capacity = TopicRules(image, config), Capacity(image, config)
    moved: dict[tuple[str, int], PartitionImage] = {}
    records: list[Struct] = []
    responses = []
    for topic in request.topics:
        answers = []
        for wanted in topic.partitions:
            answer = ReassignablePartitionResponse(wanted.partition_index, error_message=None)
            key = (topic.name, wanted.partition_index)
            partition = moved.get(key) or image.partition(*key)
            try:
                if partition is None:
                    raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no partition {key[0]}-{key[1]}")
                record = _alter(
                    image,
                    rules,
                    topic.name,
                    partition,
                    wanted,
                    may_change_factor=request.allow_replication_factor_change,
                )
                if record is not None:
                    capacity.take([record.adding_replicas or ()])
            except ApiError as refusal:
                answer = ReassignablePartitionResponse(wanted.partition_index, refusal.error_code, refusal.message)
            else:
                if record is not None:
                    records.append(record)
                    moved[key] = changed(partition, record)
            answers.append(answer)
        responses.append(ReassignableTopicResponse(name=topic.name, partitions=answers))
    response = AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=request.allow_replication_factor_change,
        error_message=None,
        responses=responses,
    )
    return ControllerResult(records, response)


def _alter(
    image: MetadataImage,
    rules: TopicRules,
    topic: str,
    partition: PartitionImage,
    wanted: ReassignablePartition,
    *,
    may_change_factor: bool,
) -> PartitionChangeRecord | None:
    if wanted.replicas is None:
        move = _cancel(partition)
    else:
        target = tuple(wanted.replicas)
        wrong = check_replicas(image, target)
        if wrong is not None:
            raise ApiError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, wrong)
        if not may_change_factor and len(target) != len(_settled(partition)):
            raise ApiError(ErrorCode.INVALID_REPLICATION_FACTOR, "the replication factor would be another")
        move = _move(partition, target)
    return change_partition(
        image.topics[topic].topic_id,
        wanted.partition_index,
        partition,
        rules.of(topic),
        lambda replica: is_active(image, replica),
        Wish(
            isr=move.isr,
            replicas=move.replicas,
            adding=move.adding,
            removing=move.removing,
            directories=lambda replica: directory_of(image, replica),
        ),
    )


def _settled(partition: PartitionImage) -> list[int]:
    """The replicas as they were before a reassignment began."""
    return [replica for replica in partition.replicas if replica not in partition.adding_replicas]


def _move(partition: PartitionImage, target: tuple[int, ...]) -> Move:
    before = _settled(partition)
    removing = [replica for replica in before if replica not in target]
    replicas = [*target, *removing]
    isr = [replica for replica in partition.isr if replica in replicas]
    if not isr:
        raise ApiError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, "no replica that is in sync would be left")
    return Move(replicas, [replica for replica in target if replica not in before], removing, isr)


def _cancel(partition: PartitionImage) -> Move:
    if not partition.is_reassigning:
        raise ApiError(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, "the partition is not being reassigned")
    replicas = _settled(partition)
    isr = [replica for replica in partition.isr if replica in replicas]
    if not isr:
        raise ApiError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, "none of the replicas to go back to is in sync")
    return Move(replicas, [], [], isr)
