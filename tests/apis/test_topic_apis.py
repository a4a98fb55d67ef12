"""CreateTopics, DeleteTopics, CreatePartitions, ElectLeaders and reassignments, through their handlers."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from odradek.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from odradek.protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from odradek.protocol.messages.elect_leaders import ElectLeadersRequest, TopicPartitions
from odradek.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
)
from odradek.protocol.messages.metadata_records import PartitionChangeRecord
from odradek_broker.apis import (
    api_19_create_topics,
    api_20_delete_topics,
    api_21_delete_records,
    api_37_create_partitions,
    api_43_elect_leaders,
    api_45_alter_partition_reassignments,
    api_46_list_partition_reassignments,
)
from odradek_broker.log.config import LogConfig
from tests.apis.small_broker import SmallBroker
from tests.controller.images import join


@pytest.mark.parametrize("version", api_19_create_topics.VERSIONS)
async def test_a_created_topic_is_in_the_image_before_the_answer(version: int) -> None:
    broker = await SmallBroker().start()
    request = CreateTopicsRequest(topics=[CreatableTopic(name="t", num_partitions=2, replication_factor=1)])
    response = await broker.ask(api_19_create_topics, request, version)
    assert [(topic.name, topic.error_code, topic.error_message) for topic in response.topics] == [("t", 0, None)]
    assert len(broker.images[-1][1].topics["t"].partitions) == 2


@pytest.mark.parametrize("version", api_20_delete_topics.VERSIONS)
async def test_a_deleted_topic_has_left_the_image_before_the_answer(version: int) -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    request = (
        DeleteTopicsRequest(topics=[DeleteTopicState(name="t")])
        if version >= 6
        else DeleteTopicsRequest(topic_names=["t"])
    )
    response = await broker.ask(api_20_delete_topics, request, version)
    assert [(topic.name, topic.error_code) for topic in response.responses] == [("t", 0)]
    assert not broker.image.topics


@pytest.mark.parametrize("version", api_37_create_partitions.VERSIONS)
async def test_an_enlarged_topic_is_in_the_image_before_the_answer(version: int) -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    request = CreatePartitionsRequest(topics=[CreatePartitionsTopic(name="t", count=3, assignments=None)])
    response = await broker.ask(api_37_create_partitions, request, version)
    assert [(topic.error_code, topic.error_message) for topic in response.results] == [(0, None)]
    assert len(broker.image.topics["t"].partitions) == 3


@pytest.mark.parametrize(
    ("api", "request_", "field"),
    [
        (api_19_create_topics, CreateTopicsRequest(topics=[CreatableTopic("u", 1, 1)]), "topics"),
        (api_20_delete_topics, DeleteTopicsRequest(topics=[DeleteTopicState(name="t")]), "responses"),
        (api_37_create_partitions, CreatePartitionsRequest(topics=[CreatePartitionsTopic("t", 2, None)]), "results"),
    ],
)
async def test_what_cannot_be_written_down_is_not_done(api: ModuleType, request_: Struct, field: str) -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    before = broker.image
    broker.journal.failure = OSError("no space left")
    response: Any = await broker.ask(api, request_)
    assert [entry.error_code for entry in getattr(response, field)] == [ErrorCode.KAFKA_STORAGE_ERROR]
    assert broker.image is before


# ------------------------------------------------------------------------------------------------------ DeleteRecords


def delete_records(topic: str, *partitions: tuple[int, int]) -> DeleteRecordsRequest:
    wanted = [DeleteRecordsPartition(partition_index=index, offset=offset) for index, offset in partitions]
    return DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=topic, partitions=wanted)])


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (0, (0, 0)),
        (4, (4, 0)),
        (10, (10, 0)),
        (-1, (10, 0)),
        (11, (-1, ErrorCode.OFFSET_OUT_OF_RANGE)),
        (-2, (-1, ErrorCode.OFFSET_OUT_OF_RANGE)),
    ],
)
async def test_records_are_deleted_up_to_the_high_watermark(offset: int, expected: tuple[int, int]) -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    response = await broker.ask(api_21_delete_records, delete_records("t", (0, offset)))
    (partition,) = response.topics[0].partitions
    assert (partition.low_watermark, partition.error_code) == expected


async def test_the_start_of_a_log_never_moves_back() -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    await broker.ask(api_21_delete_records, delete_records("t", (0, 8)))
    response = await broker.ask(api_21_delete_records, delete_records("t", (0, 3)))
    assert response.topics[0].partitions[0].low_watermark == 8


async def test_a_start_that_cannot_be_written_down_is_not_acknowledged() -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    broker.checkpoints.failure = OSError(28, "no space left on device")
    response = await broker.ask(api_21_delete_records, delete_records("t", (0, 8)))
    (partition,) = response.topics[0].partitions
    assert (partition.low_watermark, partition.error_code) == (-1, ErrorCode.KAFKA_STORAGE_ERROR)


async def test_compacted_internal_and_unknown_topics_keep_their_records() -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    await broker.create("__consumer_offsets")
    broker.partition("t", 0).log.config = LogConfig(cleanup_policy=frozenset({"compact"}))
    for topic, partition, error in (
        ("t", 0, ErrorCode.POLICY_VIOLATION),
        ("t", 7, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("nope", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("__consumer_offsets", 0, ErrorCode.INVALID_TOPIC_EXCEPTION),
    ):
        response = await broker.ask(api_21_delete_records, delete_records(topic, (partition, 0)))
        (answer,) = response.topics[0].partitions
        assert (answer.low_watermark, answer.error_code) == (-1, error)


# ------------------------------------------------------------------------------------------ leaders and reassignments


async def two_brokers() -> SmallBroker:
    """Topic t-0 on brokers 1 and 2, both in sync, led by the first of them."""
    broker = await SmallBroker().start()
    broker.take(join(broker.image, 2))
    assert await broker.controller.create_topic_if_missing("t", 1, replication_factor=2) is ErrorCode.NONE
    return broker


def change(broker: SmallBroker, **changes: Any) -> None:
    record = PartitionChangeRecord(partition_id=0, topic_id=broker.image.topics["t"].topic_id, **changes)
    broker.take([record])


async def elect(broker: SmallBroker, kind: int, partitions: list[TopicPartitions] | None) -> list[Any]:
    request = ElectLeadersRequest(election_type=kind, topic_partitions=partitions)
    response = await broker.ask(api_43_elect_leaders, request)
    assert response.error_code == 0
    return [
        (topic.topic, partition.partition_id, partition.error_code)
        for topic in response.replica_election_results
        for partition in topic.partition_result
    ]


async def test_the_preferred_replica_leads_again_when_it_is_asked_for() -> None:
    broker = await two_brokers()
    preferred, other = broker.image.topics["t"].partitions[0].replicas
    assert await elect(broker, 0, [TopicPartitions("t", [0])]) == [("t", 0, ErrorCode.ELECTION_NOT_NEEDED)]
    change(broker, leader=other)
    assert await elect(broker, 0, None) == [("t", 0, 0)]
    assert broker.image.topics["t"].partitions[0].leader == preferred
    assert await elect(broker, 0, None) == []


async def test_a_preferred_replica_out_of_sync_does_not_lead() -> None:
    broker = await two_brokers()
    _, other = broker.image.topics["t"].partitions[0].replicas
    change(broker, leader=other, isr=[other])
    error = ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE
    assert await elect(broker, 0, [TopicPartitions("t", [0])]) == [("t", 0, error)]


async def test_an_unclean_election_takes_a_replica_out_of_sync_only_when_none_leads() -> None:
    broker = await two_brokers()
    first, second = broker.image.topics["t"].partitions[0].replicas
    assert await elect(broker, 1, [TopicPartitions("t", [0])]) == [("t", 0, ErrorCode.ELECTION_NOT_NEEDED)]
    change(broker, leader=-1, isr=[])
    assert await elect(broker, 1, None) == [("t", 0, 0)]
    partition = broker.image.topics["t"].partitions[0]
    assert (partition.leader, partition.isr, partition.leader_recovery_state) == (first, (first,), 1)
    change(broker, leader=-1, isr=[second])
    assert await elect(broker, 1, None) == [("t", 0, 0)]
    assert broker.image.topics["t"].partitions[0].leader == second


async def test_an_election_of_an_unknown_kind_or_place_is_refused() -> None:
    broker = await two_brokers()
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    wanted = [TopicPartitions("t", [7]), TopicPartitions("nope", [0])]
    assert await elect(broker, 0, wanted) == [("t", 7, unknown), ("nope", 0, unknown)]
    response = await broker.ask(api_43_elect_leaders, ElectLeadersRequest(election_type=5))
    assert response.error_code == ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize(
    ("topic", "index", "replicas", "error"),
    [
        ("t", 0, [1], 0),
        ("t", 0, None, ErrorCode.NO_REASSIGNMENT_IN_PROGRESS),
        ("t", 0, [2], ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ("t", 0, [], ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ("t", 0, [1, 1], ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ("t", 9, [1], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("nope", 0, None, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ],
)
async def test_reassignments_are_judged(topic: str, index: int, replicas: list[int] | None, error: int) -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    wanted = ReassignableTopic(topic, [ReassignablePartition(index, replicas)])
    request = AlterPartitionReassignmentsRequest(topics=[wanted])
    response = await broker.ask(api_45_alter_partition_reassignments, request)
    assert response.error_code == 0
    assert [each.error_code for topic in response.responses for each in topic.partitions] == [error]


async def test_only_partitions_under_way_are_listed() -> None:
    broker = await two_brokers()
    await broker.create("u")
    assert (await broker.ask(api_46_list_partition_reassignments, ListPartitionReassignmentsRequest())).topics == []
    change(broker, adding_replicas=[2])
    named = ListPartitionReassignmentsTopics("t", [0, 5])
    missing = ListPartitionReassignmentsTopics("nope", [0])
    for topics in (None, [named, missing]):
        request = ListPartitionReassignmentsRequest(topics=topics)
        response = await broker.ask(api_46_list_partition_reassignments, request)
        assert [(topic.name, [each.partition_index for each in topic.partitions]) for topic in response.topics] == [
            ("t", [0])
        ]
        assert response.topics[0].partitions[0].adding_replicas == [2]
