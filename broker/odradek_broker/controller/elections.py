"""Elections that somebody asks for (ElectLeaders): of the preferred leader, or an unclean one."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)
from odradek.protocol.messages.metadata_records import PartitionChangeRecord
from odradek_broker.controller.image import NO_LEADER, MetadataImage, PartitionImage
from odradek_broker.controller.partitions import elect, is_active
from odradek_broker.controller.result import Refusal, Result

RECOVERING = 1


class ElectionType(IntEnum):
    PREFERRED = 0
    UNCLEAN = 1


def elect_leaders(image: MetadataImage, request: ElectLeadersRequest) -> Result[ElectLeadersResponse]:
    """Answer each partition; where none is named, all are tried and those that need no election left out."""
    if request.election_type not in ElectionType.__members__.values():
        return Result([], ElectLeadersResponse(error_code=ErrorCode.INVALID_REQUEST))
    named = request.topic_partitions
    if named is None:
        wanted = [(topic.name, list(topic.partitions)) for topic in image.topics.values()]
    else:
        wanted = [(entry.topic, list(entry.partitions)) for entry in named]
    records: list[Struct] = []
    results = []
    for topic, indexes in wanted:
        answers = []
        for index in dict.fromkeys(indexes):
            try:
                records.append(_elect(image, topic, index, request.election_type))
                answers.append(PartitionResult(partition_id=index, error_message=None))
            except Refusal as refusal:
                if named is not None or refusal.error_code != ErrorCode.ELECTION_NOT_NEEDED:
                    answers.append(PartitionResult(index, refusal.error_code, refusal.message))
        if answers or named is not None:
            results.append(ReplicaElectionResult(topic=topic, partition_result=answers))
    return Result(records, ElectLeadersResponse(replica_election_results=results))


def _elect(image: MetadataImage, topic: str, index: int, kind: int) -> PartitionChangeRecord:
    partition = image.partition(topic, index)
    if partition is None:
        raise Refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no partition {topic}-{index}")
    topic_id = image.topics[topic].topic_id
    if kind == ElectionType.PREFERRED:
        return elect(topic_id, index, _preferred(image, partition))
    leader = _unclean(image, partition)
    if leader in partition.isr:
        return elect(topic_id, index, leader)
    return PartitionChangeRecord(
        partition_id=index, topic_id=topic_id, leader=leader, isr=[leader], leader_recovery_state=RECOVERING
    )


def _preferred(image: MetadataImage, partition: PartitionImage) -> int:
    preferred = partition.replicas[0]
    if partition.leader == preferred:
        raise Refusal(ErrorCode.ELECTION_NOT_NEEDED, "the preferred replica leads already")
    if preferred not in partition.isr or not is_active(image, preferred):
        raise Refusal(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, f"broker {preferred} is not in sync or not there")
    return preferred


def _unclean(image: MetadataImage, partition: PartitionImage) -> int:
    """The safest of the replicas that are there: one in sync, one that was, any."""
    if partition.leader != NO_LEADER:
        raise Refusal(ErrorCode.ELECTION_NOT_NEEDED, "the partition has a leader")
    for candidates in (partition.isr, partition.elr, partition.replicas):
        for replica in partition.replicas:
            if replica in candidates and is_active(image, replica):
                return replica
    raise Refusal(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, "none of the replicas is there")
