"""What is told of configurations, disks, clusters, producers and access control."""

from __future__ import annotations

import logging
import os
from types import SimpleNamespace
from typing import Any

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import alter_configs as whole
from odradek.protocol.messages.create_acls import AclCreation, CreateAclsRequest
from odradek.protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest
from odradek.protocol.messages.describe_acls import DescribeAclsRequest
from odradek.protocol.messages.describe_cluster import DescribeClusterRequest
from odradek.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from odradek.protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
from odradek.protocol.messages.describe_producers import DescribeProducersRequest, TopicRequest
from odradek.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumRequestPartitionData,
    DescribeQuorumRequestTopicData,
    DescribeQuorumResponse,
)
from odradek.protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
)
from odradek.protocol.messages.describe_topic_partitions import TopicRequest as TopicPage
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest
from odradek.protocol.messages.list_config_resources import ListConfigResourcesRequest
from odradek_broker.apis import (
    api_22_init_producer_id,
    api_29_describe_acls,
    api_30_create_acls,
    api_31_delete_acls,
    api_32_describe_configs,
    api_33_alter_configs,
    api_35_describe_log_dirs,
    api_44_incremental_alter_configs,
    api_55_describe_quorum,
    api_60_describe_cluster,
    api_61_describe_producers,
    api_74_list_config_resources,
    api_75_describe_topic_partitions,
)
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.effective import newly_inert
from odradek_broker.log.producer_state import Producer, ProducerBatch
from tests.apis.small_broker import SmallBroker

TOPIC, BROKER, BROKER_LOGGER = 2, 4, 8
DATA = os.path.abspath("data")


# ----------------------------------------------------------------------------------------------------- configurations


async def describe(broker: SmallBroker, kind: int, name: str, keys: list[str] | None = None, **flags: Any) -> Any:
    version = flags.pop("version", None)
    resource = DescribeConfigsResource(kind, name, keys)
    response = await broker.ask(api_32_describe_configs, DescribeConfigsRequest([resource], **flags), version)
    return response.results[0]


async def set_config(broker: SmallBroker, kind: int, name: str, **configs: str) -> None:
    changes = [AlterableConfig(key.replace("_", "."), 0, value) for key, value in configs.items()]
    request = IncrementalAlterConfigsRequest([AlterConfigsResource(kind, name, changes)])
    response = await broker.ask(api_44_incremental_alter_configs, request)
    assert (response.responses[0].error_code, response.responses[0].error_message) == (0, None)


async def test_a_topics_configuration_is_told_with_its_sources() -> None:
    broker = await SmallBroker().start()
    await broker.create("t", segment_bytes="2000000")
    await set_config(broker, BROKER, "", log_segment_bytes="3000000")
    await set_config(broker, BROKER, "1", log_segment_bytes="4000000")
    result = await describe(broker, TOPIC, "t", ["segment.bytes", "bogus"], include_synonyms=True)
    (config,) = result.configs
    assert (config.value, config.config_source, config.config_type, config.read_only) == ("2000000", 1, 3, False)
    assert [(each.name, each.value, each.source) for each in config.synonyms] == [
        ("segment.bytes", "2000000", 1),
        ("log.segment.bytes", "4000000", 2),
        ("log.segment.bytes", "3000000", 3),
        ("log.segment.bytes", "1073741824", 5),
    ]


@pytest.mark.parametrize("version", api_32_describe_configs.VERSIONS)
@pytest.mark.parametrize("keys", [None, []])
async def test_no_keys_are_every_key(version: int, keys: list[str] | None) -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    result = await describe(broker, TOPIC, "t", keys, version=version)
    assert (result.error_code, len(result.configs)) == (0, 37)


async def test_documentation_and_synonyms_come_only_when_they_are_asked_for() -> None:
    broker = await SmallBroker().start()
    for asked in (False, True):
        result = await describe(
            broker, BROKER, "1", ["log.retention.hours"], include_documentation=asked, include_synonyms=asked
        )
        (config,) = result.configs
        assert bool(config.documentation) is asked
        assert bool(config.synonyms) is asked


async def test_a_broker_tells_its_own_configuration_also_by_older_names() -> None:
    broker = await SmallBroker(BrokerConfig(num_partitions=7, given=frozenset({"num.partitions"}))).start()
    result = await describe(broker, BROKER, "1")
    configs = {config.name: config for config in result.configs}
    assert (configs["num.partitions"].value, configs["num.partitions"].config_source) == ("7", 4)
    assert configs["num.partitions"].read_only
    assert configs["broker.id"].value == configs["node.id"].value == "1"
    assert {"advertised.listeners", "listeners", "log.dirs", "broker.rack"} <= configs.keys()


async def test_the_broker_without_a_name_tells_only_what_is_set_for_all() -> None:
    broker = await SmallBroker().start()
    await set_config(broker, BROKER, "", log_retention_ms="78")
    configs = (await describe(broker, BROKER, "")).configs
    assert [(config.name, config.value, config.config_source) for config in configs] == [
        ("min.insync.replicas", "1", 3),
        ("log.retention.ms", "78", 3),
    ]


async def test_a_key_without_effect_is_checked_kept_and_shown() -> None:
    broker = await SmallBroker().start()
    assert [each.value for each in (await describe(broker, BROKER, "1", ["log.cleaner.threads"])).configs] == ["1"]
    await set_config(broker, BROKER, "", log_cleaner_threads="3")
    await set_config(broker, BROKER, "1", log_cleaner_threads="4")
    (config,) = (await describe(broker, BROKER, "1", ["log.cleaner.threads"], include_synonyms=True)).configs
    assert (config.value, config.config_source, config.read_only) == ("4", 2, False)
    assert [(each.value, each.source) for each in config.synonyms] == [("4", 2), ("3", 3), ("1", 5)]
    change = AlterConfigsResource(BROKER, "1", [AlterableConfig("log.cleaner.threads", 0, "many")])
    refused = await broker.ask(api_44_incremental_alter_configs, IncrementalAlterConfigsRequest([change]))
    assert refused.responses[0].error_code == ErrorCode.INVALID_REQUEST


async def test_what_has_newly_been_set_without_effect_is_named_once() -> None:
    broker = await SmallBroker().start()
    await set_config(broker, BROKER, "", background_threads="3", log_retention_ms="78")
    await set_config(broker, BROKER, "", log_retention_ms="79")
    named = [newly_inert(old, new, broker.config) for old, new in broker.images]
    assert [names for names in named if names] == [["background.threads"]]


async def test_a_logger_says_more_once_its_level_is_set_and_its_parents_once_it_is_deleted() -> None:
    logger = logging.getLogger("odradek_broker.a_logger_of_a_test")
    broker = await SmallBroker().start()

    async def alter(operation: int, level: str | None, name: str = logger.name, whose: str = "1") -> int:
        resource = AlterConfigsResource(BROKER_LOGGER, whose, [AlterableConfig(name, operation, level)])
        answer = await broker.ask(api_44_incremental_alter_configs, IncrementalAlterConfigsRequest([resource]))
        return int(answer.responses[0].error_code)

    before = logger.getEffectiveLevel()
    assert await alter(0, "ERROR") == ErrorCode.NONE
    assert logger.getEffectiveLevel() == logging.ERROR
    (config,) = (await describe(broker, BROKER_LOGGER, "1", [logger.name])).configs
    assert (config.value, config.config_source) == ("ERROR", 6)
    assert await alter(0, "LOUD") == ErrorCode.INVALID_CONFIG
    assert await alter(0, "INFO", name="no.such.logger") == ErrorCode.INVALID_CONFIG
    assert await alter(2, "INFO") == ErrorCode.INVALID_REQUEST
    assert await alter(0, "INFO", whose="2") == ErrorCode.INVALID_REQUEST
    assert await alter(1, None, name="root") == ErrorCode.INVALID_CONFIG
    assert logger.getEffectiveLevel() == logging.ERROR
    assert await alter(1, None) == ErrorCode.NONE
    assert logger.getEffectiveLevel() == before


@pytest.mark.parametrize(
    ("kind", "name", "error"),
    [
        (TOPIC, "nope", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "", ErrorCode.INVALID_TOPIC_EXCEPTION),
        (TOPIC, "bad name", ErrorCode.INVALID_TOPIC_EXCEPTION),
        (BROKER, "9", ErrorCode.INVALID_REQUEST),
        (BROKER, "x", ErrorCode.INVALID_REQUEST),
        (99, "t", ErrorCode.INVALID_REQUEST),
    ],
)
async def test_what_has_no_configuration_here_is_refused(kind: int, name: str, error: ErrorCode) -> None:
    result = await describe(await SmallBroker().start(), kind, name)
    assert (result.error_code, result.resource_name, result.configs) == (error, name, [])
    assert result.error_message


async def test_the_whole_configuration_can_be_replaced() -> None:
    broker = await SmallBroker().start()
    await broker.create("t", retention_ms="5")
    resource = whole.AlterConfigsResource(TOPIC, "t", [whole.AlterableConfig("segment.ms", "6")])
    response = await broker.ask(api_33_alter_configs, whole.AlterConfigsRequest([resource]))
    assert [(each.error_code, each.resource_name) for each in response.responses] == [(0, "t")]
    assert broker.image.topic_config("t") == {"segment.ms": "6"}


async def test_a_change_that_cannot_be_written_down_is_not_made() -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    broker.journal.failure = OSError("no space left")
    requests = [
        (api_33_alter_configs, whole.AlterConfigsRequest([whole.AlterConfigsResource(TOPIC, "t", [])])),
        (
            api_44_incremental_alter_configs,
            IncrementalAlterConfigsRequest([AlterConfigsResource(TOPIC, "t", [AlterableConfig("segment.ms", 0, "6")])]),
        ),
    ]
    codes = [(await broker.ask(api, request)).responses[0].error_code for api, request in requests]
    assert codes == [0, ErrorCode.KAFKA_STORAGE_ERROR]  # the first changes nothing, so nothing has to be written
    assert not broker.image.topic_config("t")


async def test_what_has_a_configuration_is_listed_by_type() -> None:
    broker = await SmallBroker().start()
    await broker.create("t")

    async def listed(version: int, *types: int) -> list[tuple[int, str]]:
        response = await broker.ask(api_74_list_config_resources, ListConfigResourcesRequest(types), version)
        assert response.error_code == (0 if 99 not in types else ErrorCode.UNSUPPORTED_VERSION)
        return [(each.resource_type, each.resource_name) for each in response.config_resources]

    assert await listed(1) == [(TOPIC, "t"), (BROKER, "1")]
    assert await listed(1, BROKER, 16) == [(BROKER, "1")]
    assert await listed(1, 99) == []
    assert await listed(0) == []


# --------------------------------------------------------------------------------------------------- cluster and disk


async def test_the_cluster_is_told_as_metadata_tells_it() -> None:
    broker = await SmallBroker().start()
    request = DescribeClusterRequest(include_cluster_authorized_operations=True)
    response = await broker.ask(api_60_describe_cluster, request)
    assert (response.error_code, response.cluster_id, response.controller_id) == (0, "cluster", 1)
    assert [(each.broker_id, each.host, each.is_fenced) for each in response.brokers] == [(1, "10.0.0.1", False)]
    assert response.cluster_authorized_operations == 8096
    for kind, error in ((2, ErrorCode.MISMATCHED_ENDPOINT_TYPE), (3, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE)):
        refused = await broker.ask(api_60_describe_cluster, DescribeClusterRequest(endpoint_type=kind))
        assert (refused.error_code, refused.brokers) == (error, [])


@pytest.mark.parametrize("version", api_55_describe_quorum.VERSIONS)
async def test_the_controller_is_the_only_voter_and_leads(version: int) -> None:
    broker = await SmallBroker().start()

    async def quorum(topic: str, *partitions: int) -> DescribeQuorumResponse:
        wanted = [DescribeQuorumRequestPartitionData(index) for index in partitions]
        request = DescribeQuorumRequest([DescribeQuorumRequestTopicData(topic, wanted)])
        response: DescribeQuorumResponse = await broker.ask(api_55_describe_quorum, request, version)
        return response

    response = await quorum("__cluster_metadata", 0)
    (partition,) = response.topics[0].partitions
    assert (response.error_code, partition.error_code) == (0, 0)
    assert (partition.leader_id, partition.high_watermark) == (1, broker.image.offset + 1)
    assert [voter.replica_id for voter in partition.current_voters] == [1]
    assert [node.node_id for node in response.nodes] == ([1] if version >= 2 else [])
    (unknown,) = (await quorum("t", 0)).topics[0].partitions
    assert unknown.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    several = await quorum("__cluster_metadata", 0, 1)
    assert several.error_code == 0
    assert {each.error_code for each in several.topics[0].partitions} == {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}


@pytest.mark.parametrize("version", api_35_describe_log_dirs.VERSIONS)
async def test_the_disk_tells_the_sizes_of_its_partitions(version: int) -> None:
    broker = await SmallBroker(BrokerConfig(log_dir="data")).start()
    await broker.create("t", 2)
    await broker.create("u")

    async def sizes(*topics: DescribableLogDirTopic) -> list[tuple[str, list[tuple[int, int]]]]:
        request = DescribeLogDirsRequest(list(topics) if topics else None)
        (result,) = (await broker.ask(api_35_describe_log_dirs, request, version)).results
        assert result.log_dir == DATA
        assert (result.total_bytes, result.usable_bytes) == ((23456, 12345) if version >= 4 else (-1, -1))
        return [
            (topic.name, [(each.partition_index, each.partition_size) for each in topic.partitions])
            for topic in result.topics
        ]

    assert await sizes() == [("t", [(0, 77), (1, 77)]), ("u", [(0, 77)])]
    assert await sizes(DescribableLogDirTopic("t", [1, 5]), DescribableLogDirTopic("nope", [0])) == [("t", [(1, 77)])]


# --------------------------------------------------------------------------------------------------------- topic pages


async def pages(
    broker: SmallBroker, names: list[str], limit: int, cursor: Cursor | None = None
) -> DescribeTopicPartitionsResponse:
    request = DescribeTopicPartitionsRequest([TopicPage(name) for name in names], limit, cursor)
    response: DescribeTopicPartitionsResponse = await broker.ask(api_75_describe_topic_partitions, request)
    return response


@pytest.mark.parametrize("limit", [-1, 0, 1, 2, 3, 4, 5, 6, 7, 2000])
@pytest.mark.parametrize("names", [[], ["t", "u", "a", "a"]])
async def test_all_pages_together_are_every_partition_once(limit: int, names: list[str]) -> None:
    broker = await SmallBroker().start()
    for name, partitions in (("t", 3), ("a", 2), ("u", 1)):
        await broker.create(name, partitions)
    seen, cursor = [], None
    while True:
        page = await pages(broker, names, limit, cursor)
        found = [(topic.name, each.partition_index) for topic in page.topics for each in topic.partitions]
        assert 0 < len(found) <= max(limit, 1)
        seen += found
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [("a", 0), ("a", 1), ("t", 0), ("t", 1), ("t", 2), ("u", 0)]


async def test_the_brokers_limit_holds_whatever_is_asked_for() -> None:
    broker = await SmallBroker(BrokerConfig(max_request_partition_size_limit=2)).start()
    await broker.create("t", 3)
    page = await pages(broker, ["t"], 2000)
    assert page.next_cursor == Cursor("t", 2)


async def test_pages_name_what_is_wrong_topic_by_topic() -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    page = await pages(broker, ["t", "nope", "bad name"], 2000)
    assert [(topic.name, topic.error_code) for topic in page.topics] == [
        ("bad name", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("nope", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("t", 0),
    ]
    page = await pages(broker, ["t"], 2000, Cursor("t", -1))
    assert [topic.error_code for topic in page.topics] == [ErrorCode.INVALID_REQUEST]
    page = await pages(broker, ["t"], 2000, Cursor("t", 9))
    assert ([len(topic.partitions) for topic in page.topics], page.next_cursor) == ([0], None)


# ----------------------------------------------------------------------------------------- producers and access control


async def test_idempotent_producers_get_ids_that_nobody_has_had_also_after_a_restart() -> None:
    broker = await SmallBroker().start()
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0)
    for expected in (0, 1, 2):
        response = await broker.ask(api_22_init_producer_id, request)
        assert (response.error_code, response.producer_id, response.producer_epoch) == (0, expected, 0)
    again = await SmallBroker(journal=broker.journal).start()
    assert (await again.ask(api_22_init_producer_id, request)).producer_id == 1000


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"transactional_id": ""}, ErrorCode.INVALID_REQUEST),
        ({"transactional_id": None, "producer_id": 5}, ErrorCode.INVALID_REQUEST),
        ({"transactional_id": None, "producer_epoch": 5}, ErrorCode.INVALID_REQUEST),
    ],
)
async def test_other_producers_are_refused(fields: dict[str, Any], error: ErrorCode) -> None:
    response = await (await SmallBroker().start()).ask(api_22_init_producer_id, InitProducerIdRequest(**fields))
    assert (response.error_code, response.producer_id, response.producer_epoch) == (error, -1, -1)


async def test_without_a_journal_there_are_no_producer_ids() -> None:
    broker = await SmallBroker().start()
    broker.journal.failure = OSError("no space left")
    response = await broker.ask(api_22_init_producer_id, InitProducerIdRequest(transactional_id=None))
    assert response.error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS


async def test_a_partition_tells_its_producers() -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    producer = Producer(7)
    producer.epoch, producer.last_timestamp = 2, 99
    producer.batches = [ProducerBatch(0, 4, 0, 4, 99)]
    broker.partition("t", 0).log.producers = SimpleNamespace(producers={7: producer})
    request = DescribeProducersRequest([TopicRequest("t", [0, 9]), TopicRequest("no name", [0])])
    topic, illegal = (await broker.ask(api_61_describe_producers, request)).topics
    assert illegal.partitions[0].error_code == ErrorCode.INVALID_TOPIC_EXCEPTION
    known, unknown = topic.partitions
    (state,) = known.active_producers
    assert (state.producer_id, state.producer_epoch, state.last_sequence, state.last_timestamp) == (7, 2, 4, 99)
    assert (state.coordinator_epoch, state.current_txn_start_offset) == (-1, -1)
    assert (unknown.error_code, unknown.active_producers) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, [])


async def test_access_control_is_said_to_be_off() -> None:
    broker = await SmallBroker().start()
    described = await broker.ask(api_29_describe_acls, DescribeAclsRequest())
    created = await broker.ask(api_30_create_acls, CreateAclsRequest([AclCreation(), AclCreation()]))
    deleted = await broker.ask(api_31_delete_acls, DeleteAclsRequest([DeleteAclsFilter()]))
    assert described.error_code == ErrorCode.SECURITY_DISABLED
    assert [each.error_code for each in created.results] == [ErrorCode.SECURITY_DISABLED] * 2
    assert [each.error_code for each in deleted.filter_results] == [ErrorCode.SECURITY_DISABLED]
