"""What CreatePartitions and DeleteTopics decide. The error codes are Apache Kafka 4.4.0's."""

from __future__ import annotations

from random import Random

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.create_partitions import create_partitions
from odradek_broker.controller.delete_topics import delete_topics
from odradek_broker.controller.image import MetadataImage, ResourceType
from odradek_broker.controller.placement import place
from odradek_broker.controller.replay import replay
from tests.controller.images import CONFIG, cluster, creatable, with_topics

IMAGE = with_topics(cluster(None, None), creatable("t", 2, 2, retention_ms="5"), creatable("u", 1, 1))


def enlarge(name: str, count: int, assignments: list[list[int]] | None = None) -> CreatePartitionsTopic:
    given = None if assignments is None else [CreatePartitionsAssignment(broker_ids=ids) for ids in assignments]
    return CreatePartitionsTopic(name=name, count=count, assignments=given)


def decide_partitions(*topics: CreatePartitionsTopic, validate_only: bool = False) -> tuple[MetadataImage, list[int]]:
    request = CreatePartitionsRequest(topics=topics, validate_only=validate_only)
    result = create_partitions(IMAGE, request, CONFIG, Random(2))
    assert [answer.name for answer in result.response.results] == list(dict.fromkeys(topic.name for topic in topics))
    for answer in result.response.results:
        assert bool(answer.error_message) == bool(answer.error_code), answer
        assert answer.error_message or answer.error_message is None
    return replay(IMAGE, result.records), [answer.error_code for answer in result.response.results]


def test_new_partitions_are_numbered_on_and_have_as_many_replicas() -> None:
    after, codes = decide_partitions(enlarge("t", 5))
    assert codes == [0]
    partitions = after.topics["t"].partitions
    assert list(partitions) == [0, 1, 2, 3, 4]
    assert {len(partition.replicas) for partition in partitions.values()} == {2}
    assert partitions[0] == IMAGE.topics["t"].partitions[0]


def test_new_partitions_may_be_assigned_by_hand() -> None:
    after, codes = decide_partitions(enlarge("t", 4, [[2, 1], [1, 2]]))
    assert codes == [0]
    assert [after.topics["t"].partitions[index].replicas for index in (2, 3)] == [(2, 1), (1, 2)]


@pytest.mark.parametrize(
    ("topic", "error"),
    [
        (enlarge("nope", 3), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (enlarge("t", 2), ErrorCode.INVALID_PARTITIONS),
        (enlarge("t", 1), ErrorCode.INVALID_PARTITIONS),
        (enlarge("t", -1), ErrorCode.INVALID_PARTITIONS),
        (enlarge("t", 3, []), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (enlarge("t", 3, [[1, 2], [1, 2]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (enlarge("t", 3, [[1]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (enlarge("t", 3, [[1, 9]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (enlarge("t", 3, [[1, 1]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (enlarge("t", 3, [[]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (enlarge("t", 10_003), ErrorCode.POLICY_VIOLATION),
    ],
)
def test_a_bad_enlargement_is_refused_and_its_neighbour_done(topic: CreatePartitionsTopic, error: ErrorCode) -> None:
    after, codes = decide_partitions(topic, enlarge("u", 2))
    assert codes == [error, 0]
    assert (len(after.topics["t"].partitions), len(after.topics["u"].partitions)) == (2, 2)


def test_topics_are_enlarged_together_as_long_as_they_fit_in_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odradek_broker.controller.create_partitions.MAX_PARTITIONS", 4)
    too_many = ErrorCode.POLICY_VIOLATION
    for t, u, codes in (
        (4, 3, [0, 0]),
        (4, 4, [0, too_many]),
        (6, 1, [0, ErrorCode.INVALID_PARTITIONS]),
        (7, 2, [too_many, 0]),
    ):
        after, found = decide_partitions(enlarge("t", t), enlarge("u", u))
        assert found == codes
        assert [len(after.topics[name].partitions) for name in ("t", "u")] == [
            wanted if code == 0 else len(IMAGE.topics[name].partitions)
            for name, wanted, code in zip(("t", "u"), (t, u), codes, strict=True)
        ]


def test_new_partitions_go_on_where_the_topic_ends_so_that_leaders_stay_even() -> None:
    for seed in range(8):
        request = CreatePartitionsRequest(topics=[enlarge("u", 2)])
        one = create_partitions(IMAGE, request, CONFIG, Random(seed))
        placed = place(IMAGE.brokers.values(), 1, 1, Random(seed), first=1)
        assert [replay(IMAGE, one.records).topics["u"].partitions[1].replicas] == placed


def test_an_enlargement_named_twice_is_refused_once_and_validation_writes_nothing() -> None:
    assert decide_partitions(enlarge("t", 3), enlarge("t", 4)) == (IMAGE, [ErrorCode.INVALID_REQUEST])
    assert decide_partitions(enlarge("t", 3), validate_only=True) == (IMAGE, [0])


def decide_deletion(
    *topics: DeleteTopicState, names: tuple[str, ...] = (), version: int = 6, config: BrokerConfig = CONFIG
) -> tuple[MetadataImage, list[tuple[str | None, int]]]:
    result = delete_topics(IMAGE, DeleteTopicsRequest(topics=topics, topic_names=names), config, version)
    answers = [(answer.name, answer.error_code) for answer in result.response.responses]
    return replay(IMAGE, result.records), answers


def by_name(name: str) -> DeleteTopicState:
    return DeleteTopicState(name=name)


def by_id(topic_id: bytes) -> DeleteTopicState:
    return DeleteTopicState(name=None, topic_id=topic_id)


def test_a_deleted_topic_takes_its_configuration_with_it() -> None:
    assert IMAGE.config(ResourceType.TOPIC, "t")
    after, answers = decide_deletion(by_name("t"))
    assert answers == [("t", 0)]
    assert (list(after.topics), list(after.topic_names.values())) == (["u"], ["u"])
    assert not after.config(ResourceType.TOPIC, "t")


def test_a_topic_may_be_deleted_by_its_id_and_is_answered_with_its_name() -> None:
    after, answers = decide_deletion(by_id(IMAGE.topics["t"].topic_id))
    assert answers == [("t", 0)]
    assert list(after.topics) == ["u"]


def test_old_versions_name_topics_only() -> None:
    after, answers = decide_deletion(names=("t", "nope", "u", "u"), version=5)
    assert answers == [("t", 0), ("nope", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), ("u", ErrorCode.INVALID_REQUEST)]
    assert list(after.topics) == ["u"]


@pytest.mark.parametrize(
    ("topics", "error"),
    [
        ([by_name("nope")], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ([by_id(b"1" * 16)], ErrorCode.UNKNOWN_TOPIC_ID),
        ([by_id(bytes(16))], ErrorCode.INVALID_REQUEST),
        ([DeleteTopicState(name="t", topic_id=b"1" * 16)], ErrorCode.INVALID_REQUEST),
        ([by_name("t"), by_name("t")], ErrorCode.INVALID_REQUEST),
        ([by_id(IMAGE.topics["t"].topic_id)] * 2, ErrorCode.INVALID_REQUEST),
    ],
)
def test_a_bad_deletion_is_refused_and_its_neighbour_done(topics: list[DeleteTopicState], error: ErrorCode) -> None:
    after, answers = decide_deletion(*topics, by_name("u"))
    assert [code for _, code in answers] == [error, 0]
    assert list(after.topics) == ["t"]


def test_one_topic_named_both_ways_is_deleted_once() -> None:
    after, answers = decide_deletion(by_name("t"), by_id(IMAGE.topics["t"].topic_id))
    assert [code for _, code in answers] == [0, ErrorCode.INVALID_REQUEST]
    assert list(after.topics) == ["u"]


@pytest.mark.parametrize(
    ("version", "error"),
    [
        (6, ErrorCode.TOPIC_DELETION_DISABLED),
        (3, ErrorCode.TOPIC_DELETION_DISABLED),
        (2, ErrorCode.INVALID_REQUEST),
    ],
)
def test_deletion_can_be_switched_off(version: int, error: ErrorCode) -> None:
    config = BrokerConfig(delete_topic_enable=False)
    after, answers = decide_deletion(by_name("t"), names=("t",), version=version, config=config)
    assert answers == [("t", error)]
    assert after == IMAGE
