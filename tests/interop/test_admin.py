"""The life of a topic under each library's admin client: created, described, altered, grown, trimmed, deleted."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import kafka.admin
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewPartitions as AioNewPartitions
from aiokafka.admin import NewTopic as AioNewTopic
from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
    ResourceType,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic

from referee import BrokerProcess
from referee.clients.interface import Client, Sent

MakeTopic = Callable[..., str]
ClientNamed = Callable[[str], Client]

TEN_RECORDS = [Sent(None, b"%d" % number) for number in range(10)]

# What Kafka 4.3.1 says of a topic nobody configured: the keys that clients and tools look at.
TOPIC_DEFAULTS = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "delete.retention.ms": "86400000",
    "file.delete.delay.ms": "60000",
    "index.interval.bytes": "4096",
    "max.compaction.lag.ms": "9223372036854775807",
    "max.decompressed.message.bytes": "2147483639",
    "max.message.bytes": "1048588",
    "message.timestamp.after.max.ms": "3600000",
    "message.timestamp.before.max.ms": "9223372036854775807",
    "message.timestamp.type": "CreateTime",
    "min.cleanable.dirty.ratio": "0.5",
    "min.compaction.lag.ms": "0",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "segment.bytes": "1073741824",
    "segment.index.bytes": "10485760",
    "segment.ms": "604800000",
    "unclean.leader.election.enable": "false",
}

_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    return f"administered-{next(_numbers)}"


@pytest.fixture
def python_admin(broker: BrokerProcess) -> Any:
    client = kafka.admin.KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    yield client
    client.close()


def test_confluent_sees_a_topic_through_its_life(
    name: str, admin: AdminClient, broker: BrokerProcess, client_named: ClientNamed
) -> None:
    _create(admin, NewTopic(name, 2, 1, config={"retention.ms": "5000"}))
    assert _described(admin, name) == {0: [_node(admin)], 1: [_node(admin)]}
    assert _config(admin, name)["retention.ms"] == ("5000", False)

    _alter(admin, name, ConfigEntry("retention.ms", "6000", incremental_operation=AlterConfigOpType.SET))
    assert _config(admin, name)["retention.ms"] == ("6000", False)
    _alter(admin, name, ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE))
    assert _config(admin, name)["retention.ms"] == ("604800000", True)

    admin.create_partitions([NewPartitions(name, 4)])[name].result(20)
    _eventually(lambda: sorted(_described(admin, name)) == [0, 1, 2, 3])

    client_named("confluent").produce(broker.bootstrap, name, TEN_RECORDS, partition=3)
    partition = TopicPartition(name, 3, 4)
    assert admin.delete_records([partition])[partition].result(20).low_watermark == 4
    listed: Any = OffsetSpec
    assert admin.list_offsets({partition: listed.earliest()})[partition].result(20).offset == 4

    admin.delete_topics([name])[name].result(20)
    _eventually(lambda: name not in admin.list_topics(timeout=20).topics)
    with pytest.raises(KafkaException) as refused:
        admin.delete_topics([name])[name].result(20)
    assert refused.value.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_kafka_python_sees_a_topic_through_its_life(
    name: str, python_admin: Any, broker: BrokerProcess, client_named: ClientNamed
) -> None:
    resource = kafka.admin.ConfigResource("TOPIC", name)

    def modified() -> dict[str, str]:
        configs = python_admin.describe_configs([resource])["topic"][name]
        return {key: entry["value"] for key, entry in configs.items()}

    def partitions() -> list[int]:
        (page,) = python_admin.describe_topic_partitions([name])["topics"]
        return [each["partition_index"] for each in page["partitions"]]

    options = {"num_partitions": 2, "replication_factor": 1, "configs": {"retention.ms": "5000"}}
    created = python_admin.create_topics({name: options}, wait_for_metadata=True)["topics"][0]
    assert (created["name"], created["num_partitions"], created["replication_factor"]) == (name, 2, 1)
    assert created["configs"]["retention.ms"]["value"] == "5000"
    (described,) = python_admin.describe_topics([name])
    assert described["topic_id"] == created["topic_id"]
    assert [each["partition_index"] for each in described["partitions"]] == [0, 1]
    assert modified() == {"retention.ms": "5000"}

    python_admin.alter_configs([kafka.admin.ConfigResource("TOPIC", name, {"retention.ms": "6000"})])
    assert modified() == {"retention.ms": "6000"}
    python_admin.reset_configs([kafka.admin.ConfigResource("TOPIC", name, ["retention.ms"])])
    assert modified() == {}

    python_admin.create_partitions({name: 4})
    _eventually(lambda: partitions() == [0, 1, 2, 3])

    client_named("python").produce(broker.bootstrap, name, TEN_RECORDS, partition=3)
    partition = kafka.TopicPartition(name, 3)
    assert python_admin.delete_records({partition: 4})[partition]["low_watermark"] == 4
    assert python_admin.list_partition_offsets({partition: kafka.OffsetSpec.EARLIEST})[partition].offset == 4

    python_admin.delete_topics([name])
    _eventually(lambda: name not in python_admin.list_topics())


def test_kafka_python_learns_the_size_of_each_partition(
    name: str, python_admin: Any, broker: BrokerProcess, client_named: ClientNamed
) -> None:
    python_admin.create_topics({name: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
    client_named("python").produce(broker.bootstrap, name, [Sent(None, bytes(5000))], partition=1)
    (node,) = python_admin.describe_log_dirs()
    (directory,) = node["log_dirs"]
    assert 0 < directory["usable_bytes"] <= directory["total_bytes"]
    (topic,) = [each for each in directory["topics"] if each["name"] == name]
    sizes = {each["partition_index"]: each["partition_size"] for each in topic["partitions"]}
    assert sizes[0] == 0
    assert 5000 < sizes[1] < 5200


@pytest.mark.filterwarnings("ignore:alter_configs has been deprecated:DeprecationWarning")
def test_the_old_alter_configs_replaces_every_config_of_a_topic(name: str, admin: AdminClient) -> None:
    _create(admin, NewTopic(name, 1, 1, config={"retention.ms": "5000", "segment.bytes": "2000000"}))
    resource = ConfigResource(ResourceType.TOPIC, name, set_config={"retention.ms": "7000"})
    admin.alter_configs([resource])[resource].result(20)
    assert _config(admin, name)["retention.ms"] == ("7000", False)
    assert _config(admin, name)["segment.bytes"] == ("1073741824", True)


def test_a_config_that_is_refused_changes_nothing(name: str, admin: AdminClient) -> None:
    _create(admin, NewTopic(name, 1, 1, config={"retention.ms": "5000"}))
    with pytest.raises(KafkaException) as refused:
        _alter(admin, name, ConfigEntry("retention.ms", "never", incremental_operation=AlterConfigOpType.SET))
    assert refused.value.args[0].code() == KafkaError.INVALID_CONFIG
    assert _config(admin, name)["retention.ms"] == ("5000", False)


def test_a_cleanup_policy_grows_and_shrinks_as_a_list(name: str, admin: AdminClient) -> None:
    _create(admin, NewTopic(name, 1, 1))
    _alter(admin, name, ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND))
    assert _config(admin, name)["cleanup.policy"] == ("delete,compact", False)
    _alter(admin, name, ConfigEntry("cleanup.policy", "delete", incremental_operation=AlterConfigOpType.SUBTRACT))
    assert _config(admin, name)["cleanup.policy"] == ("compact", False)


def test_an_untouched_topic_has_kafkas_defaults(name: str, admin: AdminClient) -> None:
    _create(admin, NewTopic(name, 1, 1))
    configs = _config(admin, name)
    assert {key: configs.get(key) for key in TOPIC_DEFAULTS} == {
        key: (value, True) for key, value in TOPIC_DEFAULTS.items()
    }


def test_validation_alone_creates_nothing(name: str, admin: AdminClient) -> None:
    admin.create_topics([NewTopic(name, 1, 1)], validate_only=True)[name].result(20)
    assert name not in admin.list_topics(timeout=20).topics


def test_partitions_cannot_shrink(name: str, admin: AdminClient) -> None:
    _create(admin, NewTopic(name, 3, 1))
    with pytest.raises(KafkaException) as refused:
        admin.create_partitions([NewPartitions(name, 2)])[name].result(20)
    assert refused.value.args[0].code() == KafkaError.INVALID_PARTITIONS
    assert sorted(_described(admin, name)) == [0, 1, 2]


def test_records_beyond_the_end_cannot_be_deleted(
    name: str, admin: AdminClient, broker: BrokerProcess, client_named: ClientNamed
) -> None:
    _create(admin, NewTopic(name, 1, 1))
    client_named("confluent").produce(broker.bootstrap, name, TEN_RECORDS)
    beyond = TopicPartition(name, 0, 11)
    with pytest.raises(KafkaException) as refused:
        admin.delete_records([beyond])[beyond].result(20)
    assert refused.value.args[0].code() == KafkaError.OFFSET_OUT_OF_RANGE


def test_a_deleted_topic_can_be_created_again_and_is_empty(
    name: str, admin: AdminClient, broker: BrokerProcess, client_named: ClientNamed
) -> None:
    ids = []
    for _ in range(2):
        _create(admin, NewTopic(name, 1, 1))
        ids.append(admin.describe_topics(TopicCollection([name]))[name].result(20).topic_id)
        assert client_named("confluent").produce(broker.bootstrap, name, TEN_RECORDS) == list(range(10))
        admin.delete_topics([name])[name].result(20)
        _eventually(lambda: name not in admin.list_topics(timeout=20).topics)
    assert str(ids[0]) != str(ids[1])


def test_aiokafka_creates_describes_grows_and_deletes(name: str, broker: BrokerProcess) -> None:
    async def partitions(admin: Any) -> tuple[int, list[int]]:
        (described,) = await admin.describe_topics([name])
        assert described["topic"] == name
        return described["error_code"], sorted(each["partition"] for each in described["partitions"])

    async def administer() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
        await admin.start()
        try:
            await admin.create_topics([AioNewTopic(name, 2, 1)])
            await admin.create_partitions({name: AioNewPartitions(3)})
            async with asyncio.timeout(10):
                while await partitions(admin) != (0, [0, 1, 2]):  # noqa: ASYNC110  only the broker knows when
                    await asyncio.sleep(0.02)
            await admin.delete_topics([name])
        finally:
            await admin.close()

    asyncio.run(administer())


def test_the_cluster_is_described_alike_by_two_libraries(
    admin: AdminClient, python_admin: Any, broker: BrokerProcess
) -> None:
    ours = admin.describe_cluster().result(20)
    theirs = python_admin.describe_cluster()
    assert ours.cluster_id == theirs["cluster_id"]
    assert len(ours.cluster_id) == 22  # a uuid in url-safe base64
    (node,) = ours.nodes
    (described,) = theirs["brokers"]
    assert (node.id, node.host, node.port) == (described["broker_id"], "127.0.0.1", broker.port)
    assert ours.controller.id == theirs["controller_id"] == node.id


def _create(admin: AdminClient, topic: NewTopic) -> None:
    """Create the topic and wait until brokers tell of it: Kafka's answer comes a moment earlier."""
    admin.create_topics([topic])[topic.topic].result(20)
    _eventually(lambda: topic.topic in admin.list_topics(timeout=20).topics)


def _eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in 10 s"
        time.sleep(0.02)


def _described(admin: AdminClient, topic: str) -> dict[int, list[int]]:
    """Partition -> the ids of its in-sync replicas; asserts that each is led by its only replica."""
    described = admin.describe_topics(TopicCollection([topic]))[topic].result(20)
    for partition in described.partitions:
        assert [each.id for each in partition.replicas] == [partition.leader.id]
    return {each.id: [replica.id for replica in each.isr] for each in described.partitions}


def _node(admin: AdminClient) -> int:
    (node,) = admin.list_topics(timeout=20).brokers
    return int(node)


def _config(admin: AdminClient, topic: str) -> dict[str, tuple[str | None, bool]]:
    """Config key -> (value, whether it is a default)."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    described = admin.describe_configs([resource])[resource].result(20)
    return {key: (entry.value, entry.is_default) for key, entry in described.items()}


def _alter(admin: AdminClient, topic: str, entry: Any) -> None:
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(20)
