"""Reassignments that somebody asks for, judged; replicas cannot be moved from one broker to another yet."""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)
from odradek_broker.controller.assignment import check_replicas
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.result import Refusal


def judge_reassignments(
    image: MetadataImage, request: AlterPartitionReassignmentsRequest
) -> AlterPartitionReassignmentsResponse:
    """Success for a partition that is already where it should be; for any other why it stays."""
    responses = []
    for topic in request.topics:
        answers = []
        for partition in topic.partitions:
            try:
                _judge(image, topic.name, partition)
                answers.append(ReassignablePartitionResponse(partition.partition_index, error_message=None))
            except Refusal as refusal:
                answers.append(
                    ReassignablePartitionResponse(partition.partition_index, refusal.error_code, refusal.message)
                )
        responses.append(ReassignableTopicResponse(name=topic.name, partitions=answers))
    return AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=request.allow_replication_factor_change,
        error_message=None,
        responses=responses,
    )


def _judge(image: MetadataImage, topic: str, wanted: ReassignablePartition) -> None:
    partition = image.partition(topic, wanted.partition_index)
    if partition is None:
        message = f"there is no partition {topic}-{wanted.partition_index}"
        raise Refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message)
    if wanted.replicas is None:
        raise Refusal(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, "the partition is not being reassigned")
    wrong = check_replicas(image, tuple(wanted.replicas))
    if wrong is None and set(wanted.replicas) != set(partition.replicas):
        wrong = "replicas cannot be moved to other brokers"
    if wrong is None and tuple(wanted.replicas) != partition.replicas:
        wrong = "the order of replicas cannot be changed"
    if wrong is not None:
        raise Refusal(ErrorCode.INVALID_REPLICA_ASSIGNMENT, wrong)
