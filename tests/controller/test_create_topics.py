"""What CreateTopics decides. The error codes are those that Apache Kafka 4.4.0 answers to the same requests."""

from __future__ import annotations

from random import Random

import pytest
from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicResult,
    CreateTopicsRequest,
)
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.create_topics import create_topics
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay
from tests.controller.images import CONFIG, cluster, creatable, kinds, with_topics


def decide(
    image: MetadataImage, *topics: CreatableTopic, config: BrokerConfig = CONFIG, validate_only: bool = False
) -> tuple[MetadataImage, list[CreatableTopicResult]]:
    """The image after the decision, and its answers."""
    request = CreateTopicsRequest(topics=topics, validate_only=validate_only)
    result = create_topics(image, request, config, Random(1))
    return replay(image, result.records), list(result.response.topics)


def assigned(
    name: str, *assignments: tuple[int, list[int]], partitions: int = -1, replicas: int = -1
) -> CreatableTopic:
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=replicas,
        assignments=[CreatableReplicaAssignment(partition_index=index, broker_ids=ids) for index, ids in assignments],
    )


def test_a_topic_is_a_topic_record_its_configs_and_its_partitions() -> None:
    image = cluster(None, None, None)
    request = CreateTopicsRequest(topics=[creatable("orders", 2, 3, retention_ms="5")])
    result = create_topics(image, request, CONFIG, Random(0))
    assert kinds(result.records) == ["TopicRecord", "ConfigRecord", "PartitionRecord", "PartitionRecord"]
    topic = replay(image, result.records).topics["orders"]
    for partition in topic.partitions.values():
        assert partition.isr == partition.replicas
        assert (partition.leader, partition.leader_epoch, partition.partition_epoch) == (partition.replicas[0], 0, 0)


def test_the_answer_tells_the_id_the_counts_and_every_config() -> None:
    image, (answer,) = decide(cluster(None), creatable("orders", 3, 1, retention_ms="5"))
    assert (answer.error_code, answer.error_message) == (0, None)
    assert (answer.num_partitions, answer.replication_factor) == (3, 1)
    assert image.topic_names == {answer.topic_id: "orders"}
    assert answer.configs is not None
    configs = {config.name: (config.value, config.config_source) for config in answer.configs}
    assert len(configs) == 37
    assert configs["retention.ms"] == ("5", 1)
    assert configs["segment.bytes"] == ("1073741824", 5)


def test_minus_one_stands_for_the_brokers_defaults() -> None:
    config = BrokerConfig(num_partitions=4, default_replication_factor=2)
    _, (answer,) = decide(cluster(None, None), creatable("orders", -1, -1), config=config)
    assert (answer.num_partitions, answer.replication_factor) == (4, 2)


def test_a_manual_assignment_is_taken_as_it_is() -> None:
    image, (answer,) = decide(cluster(None, None, None), assigned("orders", (1, [3, 1]), (0, [2, 3])))
    assert (answer.num_partitions, answer.replication_factor) == (2, 2)
    assert [partition.replicas for partition in image.topics["orders"].partitions.values()] == [(2, 3), (3, 1)]


@pytest.mark.parametrize(
    ("topic", "error"),
    [
        (creatable(""), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (creatable("."), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (creatable(".."), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (creatable("x" * 250), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (creatable("sp ace"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (creatable("umläut"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (creatable("line\n"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (creatable("../up"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (creatable("a.b"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (creatable("a_b"), ErrorCode.TOPIC_ALREADY_EXISTS),
        (creatable("__cluster_metadata"), ErrorCode.INVALID_REQUEST),
        (creatable("t", 0), ErrorCode.INVALID_PARTITIONS),
        (creatable("t", -2), ErrorCode.INVALID_PARTITIONS),
        (creatable("t", 1, 0), ErrorCode.INVALID_REPLICATION_FACTOR),
        (creatable("t", 1, -2), ErrorCode.INVALID_REPLICATION_FACTOR),
        (creatable("t", 1, 3), ErrorCode.INVALID_REPLICATION_FACTOR),
        (assigned("t", (0, [1]), partitions=1), ErrorCode.INVALID_REQUEST),
        (assigned("t", (0, [1]), replicas=1), ErrorCode.INVALID_REQUEST),
        (assigned("t", (0, [1]), (2, [1])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned("t", (0, [1]), (0, [1])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned("t", (0, [1, 1])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned("t", (0, [7])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned("t", (0, [])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned("t", (0, [1, 2]), (1, [1])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (creatable("t", retention_ms="x"), ErrorCode.INVALID_CONFIG),
        (creatable("t", retention="1"), ErrorCode.INVALID_CONFIG),
        (creatable("t", retention_ms=None), ErrorCode.INVALID_CONFIG),
        (creatable("t", min_compaction_lag_ms="9", max_compaction_lag_ms="1"), ErrorCode.INVALID_CONFIG),
    ],
    ids=lambda value: value.name[:20] if isinstance(value, CreatableTopic | ErrorCode) else str(value),
)
def test_a_bad_topic_is_refused_and_its_neighbour_made(topic: CreatableTopic, error: ErrorCode) -> None:
    before = with_topics(cluster(None, None), creatable("a_b"))
    after, answers = decide(before, topic, creatable("good"))
    assert [answer.error_code for answer in answers] == [error, ErrorCode.NONE]
    assert answers[0].error_message
    assert after.topics.keys() == {"a_b", "good"}


def test_an_empty_cleanup_policy_and_a_min_isr_beyond_the_replicas_are_allowed() -> None:
    _, answers = decide(cluster(None), creatable("p", cleanup_policy=""), creatable("q", min_insync_replicas="3"))
    assert [answer.error_code for answer in answers] == [0, 0]


def test_a_name_that_is_there_twice_is_refused_once() -> None:
    after, answers = decide(cluster(None), creatable("d"), creatable("d"), creatable("e"))
    assert [(answer.name, answer.error_code) for answer in answers] == [("d", ErrorCode.INVALID_REQUEST), ("e", 0)]
    assert after.topics.keys() == {"e"}


def test_topics_of_one_request_collide_with_each_other() -> None:
    after, answers = decide(cluster(None), creatable("k.k"), creatable("k_k"))
    assert [answer.error_code for answer in answers] == [0, ErrorCode.INVALID_TOPIC_EXCEPTION]
    assert after.topics.keys() == {"k.k"}


def test_validate_only_answers_the_same_and_changes_nothing() -> None:
    image = cluster(None)
    after, (answer,) = decide(image, creatable("orders", 3), validate_only=True)
    assert (answer.error_code, answer.num_partitions) == (0, 3)
    assert after.topics == {}


def test_a_request_may_make_as_many_partitions_as_there_may_be_in_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odradek_broker.controller.create_topics.MAX_PARTITIONS", 5)
    config = BrokerConfig(num_partitions=2)
    for more, error in ((creatable("c", 2), ErrorCode.NONE), (creatable("c", 3), ErrorCode.POLICY_VIOLATION)):
        after, answers = decide(
            cluster(None), assigned("a", (0, [1])), creatable("b", -1), more, creatable("d", -3), config=config
        )
        codes = [answer.error_code for answer in answers]
        assert codes == ([0, 0, 0, ErrorCode.INVALID_PARTITIONS] if error is ErrorCode.NONE else [error] * 4)
        assert sum(len(topic.partitions) for topic in after.topics.values()) == (0 if error else 5)


def test_too_many_partitions_are_refused_as_a_whole() -> None:
    after, answers = decide(cluster(None), creatable("a"), creatable("b", 10_000))
    assert [answer.error_code for answer in answers] == [ErrorCode.POLICY_VIOLATION] * 2
    assert after.topics == {}
    assert decide(cluster(None), creatable("b", 10_000))[1][0].error_code == 0


def test_without_an_active_broker_nothing_can_be_made() -> None:
    image = cluster(None)
    image = structs.replace(image, brokers={1: structs.replace(image.brokers[1], fenced=True)})
    _, answers = decide(image, creatable("a"), assigned("b", (0, [1])))
    assert [answer.error_code for answer in answers] == [
        ErrorCode.INVALID_REPLICATION_FACTOR,
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    ]


def test_a_fenced_replica_is_not_in_sync() -> None:
    image = cluster(None, None)
    image = structs.replace(image, brokers={**image.brokers, 1: structs.replace(image.brokers[1], fenced=True)})
    after, _ = decide(image, assigned("t", (0, [1, 2])))
    partition = after.topics["t"].partitions[0]
    assert (partition.replicas, partition.isr, partition.leader) == ((1, 2), (2,), 2)


def test_topic_ids_are_never_reserved_ones_nor_begin_with_a_dash() -> None:
    class Scripted(Random):
        def randbytes(self, n: int) -> bytes:
            return script.pop(0)

    used = bytes(6) + b"\x40\x00\x80" + bytes(7)
    script = [used, bytes([0xF8]) + bytes(15), b"\x01" * 16]
    image = structs.replace(cluster(None), topic_names={used: "other"})
    result = create_topics(image, CreateTopicsRequest(topics=[creatable("t")]), CONFIG, Scripted(0))
    assert result.response.topics[0].topic_id[:1] == b"\x01"
    assert script == []


def test_a_topic_id_is_a_random_uuid_but_for_its_version_and_variant() -> None:
    class Counting(Random):
        def randbytes(self, n: int) -> bytes:
            return bytes(range(0x60, 0x60 + n))

    result = create_topics(cluster(None), CreateTopicsRequest(topics=[creatable("t")]), CONFIG, Counting(0))
    assert result.response.topics[0].topic_id.hex() == "60616263646546" + "67" + "a8" + "696a6b6c6d6e6f"
