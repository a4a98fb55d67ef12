"""How the coordinators' topics are made, where nobody says otherwise."""

from __future__ import annotations

import pytest
from msgspec import structs

from odradek_broker.config import BrokerConfig
from odradek_broker.controller.image import GROUP_TOPIC, TRANSACTION_TOPIC, MetadataImage
from odradek_broker.controller.internal_topics import topic_to_create
from tests.controller.images import cluster, creatable

CONFIG = BrokerConfig(
    offsets_topic_num_partitions=4,
    offsets_topic_segment_bytes=1_001,
    offsets_topic_replication_factor=3,
    transaction_state_log_num_partitions=5,
    transaction_state_log_segment_bytes=1_002,
    transaction_state_log_replication_factor=3,
    transaction_state_log_min_isr=2,
)
GROUPS = {"cleanup_policy": "compact", "compression_type": "producer", "segment_bytes": "1001"}
TRANSACTIONS = {"cleanup_policy": "compact", "compression_type": "uncompressed", "segment_bytes": "1002"}
TWO, THREE = cluster(None, None), cluster(None, None, None)


def given(*keys: str) -> BrokerConfig:
    return structs.replace(CONFIG, given=frozenset(keys))


def test_each_is_as_its_coordinator_needs_it() -> None:
    assert topic_to_create(THREE, CONFIG, GROUP_TOPIC) == creatable(GROUP_TOPIC, 4, 3, **GROUPS)
    assert topic_to_create(THREE, CONFIG, TRANSACTION_TOPIC) == creatable(
        TRANSACTION_TOPIC, 5, 3, **TRANSACTIONS, min_insync_replicas="2"
    )


def test_what_is_asked_for_goes_before() -> None:
    for name, own in ((GROUP_TOPIC, GROUPS), (TRANSACTION_TOPIC, {**TRANSACTIONS, "min_insync_replicas": "2"})):
        made = topic_to_create(THREE, CONFIG, name, 7, 2, {"segment.bytes": "9", "retention.ms": "8"})
        assert made == creatable(name, 7, 2, **{**own, "segment_bytes": "9"}, retention_ms="8")


def test_any_other_topic_is_as_it_is_asked_for() -> None:
    assert topic_to_create(THREE, CONFIG, "t") == creatable("t", -1, -1)
    assert topic_to_create(THREE, CONFIG, "t", 2, 1, {"retention.ms": "8"}) == creatable("t", 2, 1, retention_ms="8")


@pytest.mark.parametrize(
    ("image", "replicas", "min_isr"),
    [(THREE, 3, "2"), (TWO, 2, "2"), (cluster(None), 1, "1"), (MetadataImage(), 1, "1")],
)
def test_by_default_there_are_no_more_replicas_than_brokers(image: MetadataImage, replicas: int, min_isr: str) -> None:
    assert topic_to_create(image, CONFIG, GROUP_TOPIC).replication_factor == replicas
    made = topic_to_create(image, CONFIG, TRANSACTION_TOPIC)
    assert made.replication_factor == replicas
    assert {entry.name: entry.value for entry in made.configs}["min.insync.replicas"] == min_isr


def test_what_the_operator_has_said_is_taken_to_the_letter() -> None:
    one = cluster(None)
    config = given("offsets.topic.replication.factor")
    assert topic_to_create(one, config, GROUP_TOPIC).replication_factor == 3
    assert topic_to_create(one, config, TRANSACTION_TOPIC).replication_factor == 1
    config = given("transaction.state.log.replication.factor", "transaction.state.log.min.isr")
    assert topic_to_create(one, config, GROUP_TOPIC).replication_factor == 1
    made = topic_to_create(one, config, TRANSACTION_TOPIC)
    assert made == creatable(TRANSACTION_TOPIC, 5, 3, **TRANSACTIONS, min_insync_replicas="2")
    made = topic_to_create(one, given("transaction.state.log.min.isr"), TRANSACTION_TOPIC)
    assert made == creatable(TRANSACTION_TOPIC, 5, 1, **TRANSACTIONS, min_insync_replicas="2")
