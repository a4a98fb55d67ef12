"""What ElectLeaders decides. The error codes are Apache Kafka 4.4.0's."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.elect_leaders import ElectLeadersRequest, ElectLeadersResponse, TopicPartitions
from odradek.protocol.messages.metadata_records import PartitionChangeRecord
from odradek_broker.controller.elections import ElectionType, elect_leaders, elect_preferred
from odradek_broker.controller.image import NO_LEADER, MetadataImage
from odradek_broker.controller.membership import fence_broker
from odradek_broker.controller.partition_change import RECOVERING
from odradek_broker.controller.replay import replay
from tests.controller.images import CONFIG, cluster, creatable, join, with_topics

PREFERRED, UNCLEAN = ElectionType
NOT_NEEDED = ErrorCode.ELECTION_NOT_NEEDED


def changed(image: MetadataImage, topic: str, index: int, leader: int, isr: Sequence[int]) -> MetadataImage:
    topic_id = image.topics[topic].topic_id
    return replay(image, [PartitionChangeRecord(partition_id=index, topic_id=topic_id, leader=leader, isr=list(isr))])


def image() -> MetadataImage:
    """t-0 is led by its second replica, t-1 by its first, u-0 by nobody and nobody is in sync."""
    found = with_topics(cluster(None, None), creatable("t", 2, 2), creatable("u", 1, 2))
    second = found.topics["t"].partitions[0].replicas[1]
    return changed(changed(found, "t", 0, second, [1, 2]), "u", 0, NO_LEADER, [])


def elect(
    image: MetadataImage, kind: int, *named: tuple[str, list[int]]
) -> tuple[MetadataImage, list[tuple[str, list[tuple[int, int]]]]]:
    topics = [TopicPartitions(topic, indexes) for topic, indexes in named] if named else None
    result = elect_leaders(image, ElectLeadersRequest(election_type=kind, topic_partitions=topics), CONFIG)
    assert result.response.error_code == 0
    answers = result.response.replica_election_results
    for answer in answers:
        assert all(bool(each.error_code) == bool(each.error_message) for each in answer.partition_result)
    return replay(image, result.records), [
        (answer.topic, [(each.partition_id, each.error_code) for each in answer.partition_result]) for answer in answers
    ]


def leader(image: MetadataImage, topic: str, index: int) -> int:
    return image.topics[topic].partitions[index].leader


def test_where_none_is_named_those_that_need_no_election_are_not_answered() -> None:
    before = image()
    after, answers = elect(before, PREFERRED)
    assert answers == [("t", [(0, 0)]), ("u", [(0, ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE)])]
    assert [leader(after, "t", index) for index in (0, 1)] == [
        before.topics["t"].partitions[index].replicas[0] for index in (0, 1)
    ]
    assert elect(after, PREFERRED)[1] == [("u", [(0, ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE)])]


def test_every_partition_that_is_named_is_answered_once() -> None:
    before = image()
    before = changed(before, "t", 1, before.topics["t"].partitions[1].replicas[1], [1, 2])
    after, answers = elect(before, PREFERRED, ("t", [1, 1, 0, 7]), ("nope", [0]), ("u", []))
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert answers == [("t", [(1, 0), (0, 0), (7, unknown)]), ("nope", [(0, unknown)]), ("u", [])]
    assert all(partition.leader == partition.replicas[0] for partition in after.topics["t"].partitions.values())
    assert elect(after, PREFERRED, ("t", [1]))[1] == [("t", [(1, NOT_NEEDED)])]


def test_an_unclean_election_is_only_of_a_partition_that_nobody_leads() -> None:
    after, answers = elect(image(), UNCLEAN, ("u", [0]), ("t", [0]))
    assert answers == [("u", [(0, 0)]), ("t", [(0, NOT_NEEDED)])]
    elected = after.topics["u"].partitions[0]
    assert (elected.leader, elected.isr) == (elected.replicas[0], (elected.replicas[0],))
    assert elected.leader_recovery_state == RECOVERING


def test_where_no_replica_lives_nobody_is_elected() -> None:
    before = image()
    for broker in (1, 2):
        before = replay(before, fence_broker(before, broker, CONFIG))
    after, answers = elect(before, UNCLEAN, ("u", [0]))
    assert (after.topics["u"], answers) == (
        before.topics["u"],
        [("u", [(0, ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE)])],
    )


def test_when_the_preferred_replica_cannot_lead_the_election_of_another_is_not_made_instead() -> None:
    """A change of the in-sync replicas that falls due is left to who may decide it."""
    before = image()
    first, second = before.topics["t"].partitions[0].replicas
    before = changed(before, "t", 0, NO_LEADER, [second])
    after, answers = elect(before, PREFERRED, ("t", [0]))
    assert (after, answers) == (before, [("t", [(0, ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE)])])
    assert leader(elect(before, UNCLEAN, ("t", [0]))[0], "t", 0) == second != first


def test_a_broker_of_the_number_0_may_lead() -> None:
    before = MetadataImage(cluster_id="test")
    for broker in (0, 1):
        before = replay(before, join(before, broker))
    before = with_topics(before, creatable("t", 1, 2))
    topic_id = before.topics["t"].topic_id
    record = PartitionChangeRecord(partition_id=0, topic_id=topic_id, replicas=[0, 1], leader=NO_LEADER, isr=[])
    assert leader(elect(replay(before, [record]), UNCLEAN)[0], "t", 0) == 0


def test_an_election_goes_by_the_rules_of_the_topic() -> None:
    """It has fewer in sync than it asks for, so nothing is committed without the other one."""
    before = with_topics(cluster(None, None), creatable("t", 1, 2, min_insync_replicas="2"))
    first, second = before.topics["t"].partitions[0].replicas
    topic_id = before.topics["t"].topic_id
    record = PartitionChangeRecord(
        partition_id=0, topic_id=topic_id, leader=NO_LEADER, isr=[first], eligible_leader_replicas=[second]
    )
    after, _ = elect(replay(before, [record]), PREFERRED)
    assert (leader(after, "t", 0), after.topics["t"].partitions[0].elr) == (first, (second,))


@pytest.mark.parametrize("kind", [-1, 2, 5])
def test_an_election_of_an_unknown_kind_is_refused(kind: int) -> None:
    result = elect_leaders(image(), ElectLeadersRequest(election_type=kind, topic_partitions=None), CONFIG)
    assert (result.records, result.response) == ([], ElectLeadersResponse(error_code=ErrorCode.INVALID_REQUEST))


def test_the_balance_of_leaders_is_restored_by_what_can_be_elected() -> None:
    before = image()
    records = elect_preferred(before, CONFIG)
    after = replay(before, records)
    assert len(records) == 1 and leader(after, "t", 0) == before.topics["t"].partitions[0].replicas[0]
    assert elect_preferred(after, CONFIG) == []
