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
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.image import NO_LEADER, MetadataImage, PartitionImage
from odradek_broker.controller.partition_change import Election, Wish, change_partition
from odradek_broker.controller.partitions import is_active
from odradek_broker.controller.result import ControllerResult
from odradek_broker.controller.topic_rules import TopicRules
from odradek_broker.coordination.api_error import ApiError


class ElectionType(IntEnum):
    PREFERRED = 0
    UNCLEAN = 1


def elect_leaders(
    image: MetadataImage, request: ElectLeadersRequest, config: BrokerConfig
) -> ControllerResult[ElectLeadersResponse]:
    """Answer each partition; where none is named, all are tried and those that need no election left out."""
    if request.election_type not in ElectionType.__members__.values():
        return ControllerResult([], ElectLeadersResponse(error_code=ErrorCode.INVALID_REQUEST))
    named = request.topic_partitions
    if named is None:
        wanted = [(topic.name, list(topic.partitions)) for topic in image.topics.values()]
    else:
        wanted = [(entry.topic, list(entry.partitions)) for entry in named]
    rules = TopicRules(image, config)
    records: list[Struct] = []
    results = []
    for topic, indexes in wanted:
        answers = []
        for index in dict.fromkeys(indexes):
            try:
                records.append(_elect(image, rules, topic, index, request.election_type))
                answers.append(PartitionResult(partition_id=index, error_message=None))
            except ApiError as refusal:
                if named is not None or refusal.error_code != ErrorCode.ELECTION_NOT_NEEDED:
                    answers.append(PartitionResult(index, refusal.error_code, refusal.message))
        if answers or named is not None:
            results.append(ReplicaElectionResult(topic=topic, partition_result=answers))
    return ControllerResult(records, ElectLeadersResponse(replica_election_results=results))


def _elect(image: MetadataImage, rules: TopicRules, topic: str, index: int, kind: int) -> PartitionChangeRecord:
    partition = image.partition(topic, index)
    if partition is None:
        raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no partition {topic}-{index}")
    election = Election.PREFERRED if kind == ElectionType.PREFERRED else Election.UNCLEAN
    _refuse_needless(partition, election)
    record = change_partition(
        image.topics[topic].topic_id,
        index,
        partition,
        rules.of(topic),
        lambda replica: is_active(image, replica),
        Wish(election=election),
    )
    if election is Election.PREFERRED and (record is None or record.leader != partition.replicas[0]):
        raise ApiError(
            ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, f"broker {partition.replicas[0]} is not in sync or not there"
        )
    if record is None or record.leader < 0:
        raise ApiError(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, "none of the replicas is there")
    return record


def _refuse_needless(partition: PartitionImage, election: Election) -> None:
    if election is Election.PREFERRED and partition.leader == partition.replicas[0]:
        raise ApiError(ErrorCode.ELECTION_NOT_NEEDED, "the preferred replica leads already")
    if election is Election.UNCLEAN and partition.leader != NO_LEADER:
        raise ApiError(ErrorCode.ELECTION_NOT_NEEDED, "the partition has a leader")


def elect_preferred(image: MetadataImage, config: BrokerConfig) -> list[Struct]:
    """Give leadership back to the first replicas that can have it (auto.leader.rebalance.enable)."""
    request = ElectLeadersRequest(election_type=ElectionType.PREFERRED, topic_partitions=None)
    return elect_leaders(image, request, config).records
