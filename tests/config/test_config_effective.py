"""What holds for a topic or a broker, and why."""

from __future__ import annotations

import pytest

from odradek_broker.config import BrokerConfig, ConfigSource, TopicConfigs
from odradek_broker.config.effective import ConfigEntry, broker_entries, effective_broker_config
from odradek_broker.config.setting import render
from odradek_broker.config.topic_keys import TOPIC_KEYS
from odradek_broker.log.config import LogConfig


def entry(name: str, configs: TopicConfigs, own: dict[str, str]) -> ConfigEntry:
    return configs.entry(TOPIC_KEYS[name], own)


def test_the_first_layer_that_has_a_value_holds() -> None:
    static = BrokerConfig(log_segment_bytes=2000002, given=frozenset({"log.segment.bytes"}))
    layers = [
        (TopicConfigs(BrokerConfig()), {}, "1073741824", ConfigSource.DEFAULT),
        (TopicConfigs(static), {}, "2000002", ConfigSource.STATIC_BROKER),
        (
            TopicConfigs(static, {}, {"log.segment.bytes": "2000003"}),
            {},
            "2000003",
            ConfigSource.DYNAMIC_DEFAULT_BROKER,
        ),
        (TopicConfigs(static, {"log.segment.bytes": "2000004"}), {}, "2000004", ConfigSource.DYNAMIC_BROKER),
        (TopicConfigs(static), {"segment.bytes": "2000005"}, "2000005", ConfigSource.TOPIC),
    ]
    for configs, own, value, source in layers:
        found = entry("segment.bytes", configs, own)
        assert (found.value, found.source) == (value, source)


def test_every_layer_with_a_value_is_a_synonym_in_order() -> None:
    static = BrokerConfig(message_max_bytes=9, given=frozenset({"message.max.bytes"}))
    configs = TopicConfigs(static, {"message.max.bytes": "8"}, {"message.max.bytes": "7"})
    found = entry("max.message.bytes", configs, {"max.message.bytes": "6"})
    assert [(synonym.name, synonym.value, synonym.source.name) for synonym in found.synonyms] == [
        ("max.message.bytes", "6", "TOPIC"),
        ("message.max.bytes", "8", "DYNAMIC_BROKER"),
        ("message.max.bytes", "7", "DYNAMIC_DEFAULT_BROKER"),
        ("message.max.bytes", "9", "STATIC_BROKER"),
        ("message.max.bytes", "1048588", "DEFAULT"),
    ]


@pytest.mark.parametrize(
    ("broker", "milliseconds"),
    [
        (BrokerConfig(), 168 * 3_600_000),
        (BrokerConfig(log_retention_hours=2, given=frozenset({"log.retention.hours"})), 2 * 3_600_000),
        (BrokerConfig(log_retention_minutes=2, given=frozenset({"log.retention.minutes"})), 2 * 60_000),
        (BrokerConfig(log_retention_ms=2, given=frozenset({"log.retention.ms"})), 2),
        (BrokerConfig(log_retention_hours=-1, given=frozenset({"log.retention.hours"})), -1),
    ],
)
def test_a_coarse_broker_key_is_converted(broker: BrokerConfig, milliseconds: int) -> None:
    assert TopicConfigs(broker).values({})["retention_ms"] == milliseconds
    assert broker.retention_ms == milliseconds


def test_the_log_gets_what_the_topic_and_the_broker_say() -> None:
    assert TopicConfigs(BrokerConfig()).log_config({}) == LogConfig()
    configs = TopicConfigs(BrokerConfig(producer_id_expiration_ms=5), {"log.cleaner.dedupe.buffer.size": "2000000"})
    config = configs.log_config({"cleanup.policy": "compact,delete", "retention.ms": "-1"})
    assert config.cleanup_policy == {"compact", "delete"}
    assert (config.retention_ms, config.producer_id_expiration_ms, config.dedupe_buffer_bytes) == (-1, 5, 2000000)


def test_every_topic_key_of_kafka_is_listed_once() -> None:
    entries = TopicConfigs(BrokerConfig()).entries({})
    assert [one.name for one in entries] == sorted({one.name for one in entries})
    assert len(entries) == 37
    assert {one.source for one in entries} == {ConfigSource.DEFAULT}


def test_a_key_without_effect_says_so() -> None:
    felt_elsewhere = {
        "errors.deadletterqueue.group.enable",
        "min.insync.replicas",
        "unclean.leader.election.enable",
        "flush.ms",
        "flush.messages",
        "leader.replication.throttled.replicas",
        "follower.replication.throttled.replicas",
    }
    for key in TOPIC_KEYS.values():
        if key.attribute not in LogConfig.__struct_fields__ and key.name not in felt_elsewhere:
            assert "no effect" in key.setting.sentence or key.name == "remote.storage.enable", key.name


@pytest.mark.parametrize("name", sorted(TOPIC_KEYS))
def test_every_topic_default_is_a_value_of_its_own_key(name: str) -> None:
    key = TOPIC_KEYS[name]
    text = render(key.default)
    assert text is not None
    assert key.setting.parse(text) == key.default


@pytest.mark.parametrize(
    ("own", "wrong"),
    [
        ({"retention.ms": "-1", "cleanup.policy": "compact"}, None),
        ({"cleanup.policy": ""}, None),
        ({"retention": "1"}, "Unknown topic config name: retention"),
        ({"retention.ms": "-2"}, "Invalid value '-2' for retention.ms: must be at least -1"),
        ({"min.compaction.lag.ms": "2", "max.compaction.lag.ms": "1"}, "must not exceed max.compaction.lag.ms"),
        ({"remote.storage.enable": "true"}, "must be false"),
        ({"leader.replication.throttled.replicas": "0:1,2"}, "partition:broker"),
    ],
)
def test_a_topics_own_values_are_checked(own: dict[str, str], wrong: str | None) -> None:
    found = TopicConfigs(BrokerConfig()).check(own)
    assert (found is None) == (wrong is None)
    assert wrong is None or wrong in str(found)


def test_a_broker_shows_which_of_its_keys_may_change() -> None:
    config = BrokerConfig(num_partitions=3, given=frozenset({"num.partitions"}))
    entries = {one.name: one for one in broker_entries(config, {"max.connections": "5"})}
    assert (entries["num.partitions"].value, entries["num.partitions"].source) == ("3", ConfigSource.STATIC_BROKER)
    assert entries["num.partitions"].read_only
    assert (entries["max.connections"].value, entries["max.connections"].read_only) == ("5", False)
    assert entries["listeners"].value == "PLAINTEXT://127.0.0.1:9092"
    assert (entries["broker.rack"].value, entries["broker.rack"].synonyms) == (None, ())


def test_dynamic_changes_are_laid_over_the_brokers_own() -> None:
    config = effective_broker_config(
        BrokerConfig(), {"max.connections": "5"}, {"max.connections": "4", "min.insync.replicas": "2", "node.id": "9"}
    )
    assert (config.max_connections, config.min_insync_replicas, config.node_id) == (5, 2, 1)
    assert effective_broker_config(config, {}, {}) is config


def test_a_test_may_have_segments_smaller_than_segment_bytes_allows_and_nobody_is_shown_that() -> None:
    configs = TopicConfigs(BrokerConfig())
    own = {"segment.bytes": "2000000", "internal.segment.bytes": "600"}
    assert configs.check(own) is None
    assert configs.log_config(own).segment_bytes == 600
    assert "internal.segment.bytes" not in {shown.name for shown in configs.entries(own)}
    assert configs.check({"segment.bytes": "600"}) is not None
