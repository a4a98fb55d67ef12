"""What AlterPartition answers, partition by partition; who may be in sync: test_broker_membership.py."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionRequestPartitionData,
    AlterPartitionRequestTopicData,
    AlterPartitionResponse,
    AlterPartitionResponsePartitionData,
    AlterPartitionResponseTopicData,
    BrokerState,
)
from odradek.protocol.messages.metadata_records import PartitionChangeRecord, UnregisterBrokerRecord
from odradek_broker.controller.alter_partition import alter_partition
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.partition_change import RECOVERED, RECOVERING
from odradek_broker.controller.replay import replay
from tests.controller.images import CONFIG, creatable, join, with_topics

DIRECTORIES = {broker: bytes([broker]) * 15 + b"d" for broker in (1, 2, 3)}


def three() -> MetadataImage:
    """Brokers 1 to 3, of one directory each, and topic t of two partitions on all of them."""
    image = MetadataImage(cluster_id="test")
    for broker, directory in DIRECTORIES.items():
        image = replay(image, join(image, broker, log_dirs=(directory,)))
    return with_topics(image, creatable("t", 2, 3, min_insync_replicas="2"))


def changed(image: MetadataImage, **more: Any) -> MetadataImage:
    """Partition t-0 after a decision."""
    return replay(image, [PartitionChangeRecord(partition_id=0, topic_id=image.topics["t"].topic_id, **more)])


def wanted(image: MetadataImage, index: int, isr: list[int], **more: Any) -> AlterPartitionRequestPartitionData:
    partition = image.topics["t"].partitions[index]
    return AlterPartitionRequestPartitionData(
        partition_index=index,
        leader_epoch=partition.leader_epoch,
        new_isr_with_epochs=[BrokerState(each) for each in isr],
        partition_epoch=partition.partition_epoch,
        **more,
    )


def propose(
    image: MetadataImage,
    *partitions: AlterPartitionRequestPartitionData,
    topic_id: bytes | None = None,
    epoch: int | None = None,
    broker: int | None = None,
) -> tuple[list[Struct], AlterPartitionResponse]:
    broker = broker or image.topics["t"].partitions[0].leader
    if epoch is None:
        epoch = image.brokers[broker].epoch
    topic = AlterPartitionRequestTopicData(topic_id or image.topics["t"].topic_id, list(partitions))
    result = alter_partition(image, AlterPartitionRequest(broker, epoch, [topic]), CONFIG)
    return result.records, result.response


def answers(response: AlterPartitionResponse) -> list[tuple[int, int]]:
    return [(each.partition_index, each.error_code) for topic in response.topics for each in topic.partitions]


def test_the_answer_tells_what_holds_from_now_on() -> None:
    image = three()
    leader, other, _ = image.topics["t"].partitions[0].replicas
    image = changed(changed(image, leader=leader), isr=[leader], leader_recovery_state=RECOVERING)
    records, response = propose(image, wanted(image, 0, [leader, other], leader_recovery_state=RECOVERED))
    partition = AlterPartitionResponsePartitionData(
        partition_index=0,
        leader_id=leader,
        leader_epoch=1,
        isr=[leader, other],
        leader_recovery_state=RECOVERED,
        partition_epoch=3,
    )
    topic = AlterPartitionResponseTopicData(topic_id=image.topics["t"].topic_id, partitions=[partition])
    assert response == AlterPartitionResponse(topics=[topic])
    after = replay(image, records).topics["t"].partitions[0]
    assert (after.isr, after.leader_recovery_state, after.partition_epoch) == ((leader, other), RECOVERED, 3)


def test_a_leader_that_recovers_is_alone_in_sync_until_it_has() -> None:
    image = three()
    leader, other, _ = image.topics["t"].partitions[0].replicas
    image = changed(image, isr=[leader], leader_recovery_state=RECOVERING)
    alone = propose(image, wanted(image, 0, [leader], leader_recovery_state=RECOVERING))
    assert answers(alone[1]) == [(0, 0)]
    assert alone[1].topics[0].partitions[0].leader_recovery_state == RECOVERING
    records, response = propose(image, wanted(image, 0, [leader, other], leader_recovery_state=RECOVERING))
    assert (records, answers(response)) == ([], [(0, ErrorCode.INVALID_REQUEST)])


def test_a_broker_that_is_not_what_the_controller_knows_is_answered_as_a_whole() -> None:
    image = three()
    leader = image.topics["t"].partitions[0].leader
    for broker, epoch in ((leader, image.brokers[leader].epoch - 1), (leader, image.brokers[leader].epoch + 1), (9, 0)):
        assert propose(image, wanted(image, 0, [leader]), broker=broker, epoch=epoch) == (
            [],
            AlterPartitionResponse(error_code=ErrorCode.STALE_BROKER_EPOCH),
        )


def test_a_partition_that_is_not_there_is_refused_and_its_neighbours_changed() -> None:
    image = three()
    leader, other, _ = image.topics["t"].partitions[0].replicas
    absent = AlterPartitionRequestPartitionData(partition_index=7, new_isr=[leader])
    image = changed(image, leader=leader)
    image = replay(image, [PartitionChangeRecord(partition_id=1, topic_id=image.topics["t"].topic_id, leader=leader)])
    records, response = propose(image, absent, wanted(image, 0, [leader, other]), wanted(image, 1, [leader]))
    assert answers(response) == [(7, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), (0, 0), (1, 0)]
    partitions = replay(image, records).topics["t"].partitions
    assert partitions[0].isr == (leader, other)
    assert partitions[1].isr == (leader,) and len(partitions[1].elr) == 2, "fewer than the topic asks for"
    records, response = propose(image, wanted(image, 0, [leader]), wanted(image, 1, [leader]), topic_id=b"?" * 16)
    assert (records, answers(response)) == ([], [(index, ErrorCode.UNKNOWN_TOPIC_ID) for index in (0, 1)])
    assert response.topics[0].topic_id == b"?" * 16


@pytest.mark.parametrize("isr", [[1, 2, 9], [1, 2, 2], [2, 3], []])
def test_who_is_in_sync_is_a_replica_named_once_and_the_leader_among_them(isr: list[int]) -> None:
    image = changed(three(), leader=1)
    records, response = propose(image, wanted(image, 0, isr))
    assert (records, answers(response)) == ([], [(0, ErrorCode.INVALID_REQUEST)])


def test_a_replica_that_was_unregistered_is_ineligible_and_an_unknown_epoch_is_nobodys() -> None:
    image = changed(three(), leader=1)
    image = replay(image, [UnregisterBrokerRecord(broker_id=3, broker_epoch=image.brokers[3].epoch)])
    partition = wanted(image, 0, [])
    for epoch in (-1, 5):
        isr = [BrokerState(1, image.brokers[1].epoch), BrokerState(3, epoch)]
        proposal = AlterPartitionRequestPartitionData(
            0, partition.leader_epoch, new_isr_with_epochs=isr, partition_epoch=partition.partition_epoch
        )
        records, response = propose(image, proposal)
        assert (records, answers(response)) == ([], [(0, ErrorCode.INELIGIBLE_REPLICA)])


def test_an_older_leader_names_who_is_in_sync_without_their_epochs() -> None:
    image = changed(three(), leader=1)
    partition = image.topics["t"].partitions[0]
    proposal = AlterPartitionRequestPartitionData(
        0, partition.leader_epoch, new_isr=[1, 3], partition_epoch=partition.partition_epoch
    )
    records, response = propose(image, proposal)
    assert answers(response) == [(0, 0)]
    assert replay(image, records).topics["t"].partitions[0].isr == (1, 3)


def test_a_reassignment_that_ends_says_in_which_directories_the_replicas_are() -> None:
    image = changed(three(), leader=1, replicas=[1, 2, 3], adding_replicas=[3], removing_replicas=[2], isr=[1, 2])
    records, _ = propose(image, wanted(image, 0, [1, 2, 3]))
    after = replay(image, records).topics["t"].partitions[0]
    assert (after.replicas, after.directories) == ((1, 3), (DIRECTORIES[1], DIRECTORIES[3]))


def test_a_partition_that_is_named_again_has_changed_by_then() -> None:
    image = three()
    leader, other, third = image.topics["t"].partitions[0].replicas
    image = changed(image, leader=leader)
    records, response = propose(image, wanted(image, 0, [leader, other]), wanted(image, 0, [leader, third]))
    assert answers(response) == [(0, 0), (0, ErrorCode.INVALID_UPDATE_VERSION)]
    assert replay(image, records).topics["t"].partitions[0].isr == (leader, other)
