"""What a broker has to act upon when it hears of a new image."""

from __future__ import annotations

from msgspec import structs

from odradek.protocol.messages.metadata_records import (
    ConfigRecord,
    PartitionChangeRecord,
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from odradek_broker.controller.delta import Delta, PartitionDelta, delta
from odradek_broker.controller.image import MetadataImage, ResourceType
from odradek_broker.controller.replay import replay
from tests.controller.images import cluster, creatable, with_topics

NOTHING = Delta(deleted=[], partitions=[], topic_configs=[], broker_configs=False)


def before() -> MetadataImage:
    return with_topics(cluster(None, None), creatable("t", 2, 2), creatable("u", 1, 2, retention_ms="5"))


def config(kind: ResourceType, name: str, key: str, value: str) -> ConfigRecord:
    return ConfigRecord(resource_type=kind, resource_name=name, name=key, value=value)


def test_where_nothing_has_changed_there_is_nothing_to_do() -> None:
    assert delta(before(), before()) == NOTHING


def test_only_the_partition_that_has_changed_is_told_of_with_what_it_was() -> None:
    old = before()
    new = replay(old, [PartitionChangeRecord(partition_id=1, topic_id=old.topics["t"].topic_id, leader=2)])
    change = PartitionDelta(new.topics["t"], 1, old.topics["t"].partitions[1], new.topics["t"].partitions[1])
    assert delta(old, new) == structs.replace(NOTHING, partitions=[change])


def test_a_new_partition_was_nothing_before_in_an_old_topic_as_in_a_new_one() -> None:
    old = before()
    more = PartitionRecord(partition_id=2, topic_id=old.topics["t"].topic_id, replicas=[1], isr=[1], leader=1)
    new = with_topics(replay(old, [more]), creatable("v"))
    assert delta(old, new) == structs.replace(
        NOTHING,
        partitions=[
            PartitionDelta(new.topics["t"], 2, None, new.topics["t"].partitions[2]),
            PartitionDelta(new.topics["v"], 0, None, new.topics["v"].partitions[0]),
        ],
    )


def test_a_topic_that_was_made_again_is_gone_and_new() -> None:
    old = before()
    again = b"another topic id"
    new = replay(
        old,
        [
            RemoveTopicRecord(topic_id=old.topics["u"].topic_id),
            TopicRecord(name="u", topic_id=again),
            PartitionRecord(partition_id=0, topic_id=again, replicas=[1], isr=[1], leader=1),
        ],
    )
    assert delta(old, new) == structs.replace(
        NOTHING,
        deleted=[old.topics["u"]],
        partitions=[PartitionDelta(new.topics["u"], 0, None, new.topics["u"].partitions[0])],
    )


def test_a_configuration_counts_only_where_its_topic_stays() -> None:
    old = before()
    assert delta(MetadataImage(), old).topic_configs == delta(old, MetadataImage()).topic_configs == []
    new = replay(old, [config(ResourceType.TOPIC, "u", "retention.ms", "6")])
    assert delta(old, new) == structs.replace(NOTHING, topic_configs=["u"])


def test_the_configuration_of_one_broker_counts_as_that_of_all() -> None:
    old = before()
    for name in ("", "1"):
        new = replay(old, [config(ResourceType.BROKER, name, "log.retention.ms", "6")])
        assert delta(old, new) == structs.replace(NOTHING, broker_configs=True)
