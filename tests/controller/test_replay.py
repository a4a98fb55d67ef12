"""Records make images, and always the same ones."""

from __future__ import annotations

from random import Random

import pytest
from msgspec import Struct, structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest
from odradek.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from odradek.protocol.messages.create_topics import CreateTopicsRequest
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from odradek.protocol.messages.metadata_records import (
    BrokerRegistrationChangeRecord,
    ConfigRecord,
    NoOpRecord,
    PartitionChangeRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RemoveTopicRecord,
    TopicRecord,
    UnregisterBrokerRecord,
)
from odradek.protocol.primitives import ProtocolError
from odradek_broker.controller.create_partitions import create_partitions
from odradek_broker.controller.create_topics import create_topics
from odradek_broker.controller.delete_topics import delete_topics
from odradek_broker.controller.frame import frame, record_types, unframe
from odradek_broker.controller.image import NO_LEADER, BrokerImage, Endpoint, MetadataImage
from odradek_broker.controller.membership import bootstrap
from odradek_broker.controller.producer_ids import allocate_producer_ids
from odradek_broker.controller.replay import replay
from tests.controller.images import CONFIG, cluster, creatable, join, with_topics

ID = b"i" * 16


def history() -> list[list[Struct]]:
    """The records of some decisions, one list each."""
    image = MetadataImage()
    entries: list[list[Struct]] = []

    def then(records: list[Struct]) -> None:
        nonlocal image
        entries.append(records)
        image = replay(image, records)

    then(bootstrap())
    then(join(image, 1, b"a" * 16, (Endpoint("PLAINTEXT", "h", 1),), "rack", (b"d" * 16,)))
    topics = [creatable("t", 2, 1, retention_ms="5"), creatable("u")]
    then(create_topics(image, CreateTopicsRequest(topics=topics), CONFIG, Random(0)).records)
    enlarged = CreatePartitionsRequest(topics=[CreatePartitionsTopic(name="t", count=4, assignments=None)])
    then(create_partitions(image, enlarged, CONFIG, Random(0)).records)
    then(delete_topics(image, DeleteTopicsRequest(topics=[DeleteTopicState(name="u")]), CONFIG, 6).records)
    then(allocate_producer_ids(image, AllocateProducerIdsRequest(1, image.brokers[1].epoch)).records)
    then(join(image, 1, b"b" * 16, (), "rack"))
    return entries


def test_replay_in_one_go_through_bytes_or_step_by_step_is_the_same() -> None:
    entries = history()
    step_by_step = MetadataImage()
    for records in entries:
        step_by_step = replay(step_by_step, records)
    everything = [record for records in entries for record in records]
    assert replay(MetadataImage(), everything) == step_by_step
    assert replay(MetadataImage(), [unframe(frame(record)) for record in everything]) == step_by_step
    assert step_by_step.offset == len(everything) - 1


def test_an_image_never_changes() -> None:
    images, copies = [MetadataImage()], [repr(MetadataImage())]
    for records in history():
        images.append(replay(images[-1], records))
        copies.append(repr(images[-1]))
    assert [repr(image) for image in images] == copies


def test_an_image_shares_what_has_not_changed() -> None:
    old = with_topics(cluster(None), creatable("t"), creatable("u"))
    new = replay(old, [PartitionChangeRecord(partition_id=0, topic_id=old.topics["t"].topic_id, leader=1)])
    assert new.topics["u"] is old.topics["u"]
    assert new.topics["t"] is not old.topics["t"]


def test_what_no_record_speaks_of_stays_as_it_was() -> None:
    old = replay(with_topics(cluster(None), creatable("t", retention_ms="5")), bootstrap())
    assert old.cluster_id and old.features and old.configs and old.brokers
    assert replay(old, [NoOpRecord()]) == structs.replace(old, offset=old.offset + 1)


def test_a_topic_that_is_changed_removed_and_made_again_at_one_stroke_has_nothing_of_the_old_one() -> None:
    old = with_topics(cluster(None), creatable("t", 2, 1, retention_ms="5"))
    gone = old.topics["t"].topic_id
    again = [
        PartitionChangeRecord(partition_id=1, topic_id=gone, leader=1),
        RemoveTopicRecord(topic_id=gone),
        TopicRecord(name="t", topic_id=ID),
        PartitionRecord(partition_id=0, topic_id=ID, replicas=[1], isr=[1], leader=1),
    ]
    new = replay(old, again)
    assert list(new.topics["t"].partitions) == [0] and new.topic_names == {ID: "t"}
    assert new.topic_config("t") == {}


def test_a_change_raises_the_partition_epoch_and_only_a_new_leader_the_leader_epoch() -> None:
    image = with_topics(cluster(None, None), creatable("t", 1, 2))
    topic_id, before = image.topics["t"].topic_id, image.topics["t"].partitions[0]
    isr = [before.leader]
    shrunk = replay(image, [PartitionChangeRecord(partition_id=0, topic_id=topic_id, isr=isr)])
    changed = shrunk.partition("t", 0)
    assert changed == structs.replace(before, isr=tuple(isr), partition_epoch=1)
    elected = replay(shrunk, [PartitionChangeRecord(partition_id=0, topic_id=topic_id, leader=before.leader)])
    assert elected.partition("t", 0) == structs.replace(before, isr=tuple(isr), partition_epoch=2, leader_epoch=1)


@pytest.mark.parametrize(
    "record",
    [
        TopicRecord(name="t", topic_id=ID),
        PartitionRecord(partition_id=2, topic_id=ID, replicas=[1], isr=[1], leader=1),
        PartitionRecord(partition_id=1, topic_id=ID, replicas=[1], isr=[1], leader=2),
        PartitionRecord(partition_id=1, topic_id=ID, replicas=[1], isr=[1, 2], leader=1),
        PartitionChangeRecord(partition_id=0, topic_id=ID, leader=2),
        BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=77, fenced=1),
        UnregisterBrokerRecord(broker_id=1, broker_epoch=77),
    ],
)
def test_a_record_that_does_not_fit_stops_the_process(record: Struct) -> None:
    image = replay(
        cluster(None),
        [
            TopicRecord(name="t", topic_id=ID),
            PartitionRecord(topic_id=ID, partition_id=0, replicas=[1], isr=[1], leader=1),
        ],
    )
    with pytest.raises(AssertionError):
        replay(image, [record])


def test_a_config_record_without_a_value_takes_the_key_away() -> None:
    def config(value: str | None) -> ConfigRecord:
        return ConfigRecord(resource_type=2, resource_name="t", name="k", value=value)

    image = replay(MetadataImage(), [config("1"), config("2")])
    assert image.config(2, "t") == {"k": "2"}
    assert replay(image, [config(None)]).configs == {}


def test_a_config_record_is_of_one_key_of_one_resource() -> None:
    def config(name: str, value: str | None, resource: str = "t") -> ConfigRecord:
        return ConfigRecord(resource_type=2, resource_name=resource, name=name, value=value)

    image = replay(MetadataImage(), [config("k", "1"), config("l", "2"), config("k", "3", "u"), config("m", None)])
    assert image.configs == {(2, "t"): {"k": "1", "l": "2"}, (2, "u"): {"k": "3"}}
    assert replay(image, [config("k", None), config("k", None, "u"), config("k", None, "v")]).configs == {
        (2, "t"): {"l": "2"}
    }


def test_a_change_of_a_broker_changes_that_alone() -> None:
    image = replay(MetadataImage(), join(MetadataImage(), 1, b"a" * 16, (Endpoint("P", "h", 1, 2),), "r", (b"d" * 16,)))
    before = image.brokers[1]
    assert before == BrokerImage(
        broker_id=1,
        epoch=before.epoch,
        incarnation_id=b"a" * 16,
        endpoints=(Endpoint("P", "h", 1, 2),),
        rack="r",
        log_dirs=(b"d" * 16,),
    )
    for change, expected in (
        ({"fenced": 1}, {"fenced": True}),
        ({"in_controlled_shutdown": 1}, {"fenced": True, "in_controlled_shutdown": True}),
        ({"log_dirs": [b"e" * 16]}, {"fenced": True, "in_controlled_shutdown": True, "log_dirs": (b"e" * 16,)}),
        ({"fenced": -1}, {"in_controlled_shutdown": True, "log_dirs": (b"e" * 16,)}),
    ):
        record = BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=before.epoch, **change)
        image = replay(image, [record])
        assert image.brokers[1] == structs.replace(before, **expected)


def test_a_broker_that_comes_back_leads_again_in_a_new_epoch() -> None:
    image = with_topics(cluster(None, None), creatable("t", 4, 1))
    after = replay(image, join(image, 1, b"z" * 16))
    for index, before in image.topics["t"].partitions.items():
        partition = after.topics["t"].partitions[index]
        assert partition.leader == before.leader
        assert partition.leader_epoch == (2 if before.leader == 1 else 0)
    assert after.brokers[1].epoch > image.offset


def test_when_a_broker_comes_back_what_nobody_leads_is_led_by_who_is_in_sync() -> None:
    image = with_topics(cluster(None, None), creatable("t", 1, 2))
    topic_id = image.topics["t"].topic_id
    for isr, leader in (([1], 1), ([2], 2)):
        change = PartitionChangeRecord(partition_id=0, topic_id=topic_id, isr=isr, leader=NO_LEADER)
        headless = replay(image, [change])
        after = replay(headless, join(headless, 1, b"z" * 16))
        partition = after.partition("t", 0)
        assert partition is not None
        assert partition.leader == leader


def test_producer_ids_are_given_out_once() -> None:
    image = cluster(None)
    blocks = []
    for _ in range(3):
        result = allocate_producer_ids(image, AllocateProducerIdsRequest(1, image.brokers[1].epoch))
        blocks.append((result.response.producer_id_start, result.response.producer_id_len))
        image = replay(image, result.records)
    assert blocks == [(0, 1000), (1000, 1000), (2000, 1000)]
    stale = allocate_producer_ids(image, AllocateProducerIdsRequest(1, image.brokers[1].epoch - 1))
    assert (stale.records, stale.response.error_code) == ([], ErrorCode.STALE_BROKER_EPOCH)
    with pytest.raises(AssertionError):
        other = cluster(None)
        replay(image, allocate_producer_ids(other, AllocateProducerIdsRequest(1, other.brokers[1].epoch)).records)


def test_no_producer_id_is_given_out_a_second_time() -> None:
    record = ProducerIdsRecord(broker_id=1, broker_epoch=0, next_producer_id=1000)
    with pytest.raises(AssertionError):
        replay(replay(MetadataImage(), [record]), [record])


def test_every_kind_of_record_survives_its_frame() -> None:
    assert len(record_types()) >= 20
    for cls in record_types().values():
        assert type(unframe(frame(cls()))) is cls
        assert frame(unframe(frame(cls()))) == frame(cls())
    assert frame(NoOpRecord()) == bytes([1, 20, 0, 0])
    assert frame(TopicRecord(name="t", topic_id=ID)) == bytes([1, 2, 0, 2]) + b"t" + ID + b"\0"


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x02\x14\0\0", b"\x01\x63\0\0", b"\x01\x14\x01\0", b"\x01\x02\0\x05t", b"\x01\x14\0\0\0"]
)
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        unframe(data)
