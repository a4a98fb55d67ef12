"""AlterPartition: a leader proposes who is in sync, the controller decides by compare-and-set (KIP-497, 841, 903)."""

from __future__ import annotations

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionRequestPartitionData,
    AlterPartitionResponse,
    AlterPartitionResponsePartitionData,
    AlterPartitionResponseTopicData,
)
from odradek.protocol.messages.metadata_records import PartitionChangeRecord
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.image import MetadataImage, PartitionImage
from odradek_broker.controller.partition_change import RECOVERED, RECOVERING, Wish, change_partition
from odradek_broker.controller.partitions import directory_of, is_active
from odradek_broker.controller.replay import changed
from odradek_broker.controller.result import ControllerResult
from odradek_broker.controller.topic_rules import TopicRules
from odradek_broker.coordination.api_error import ApiError

UNKNOWN_EPOCH = -1


def alter_partition(
    image: MetadataImage, request: AlterPartitionRequest, config: BrokerConfig
) -> ControllerResult[AlterPartitionResponse]:
    """Answer each partition with what holds from now on, or why not.

    What is taken moves the partition's epoch, also where it changes nothing else. By that a leader makes sure that what
    it has proposed before, and what may still be on its way, will not be taken any more.
    """
    broker = image.brokers.get(request.broker_id)
    if broker is None or broker.epoch != request.broker_epoch:
        return ControllerResult([], AlterPartitionResponse(error_code=ErrorCode.STALE_BROKER_EPOCH))
    rules = TopicRules(image, config)
    taken: dict[tuple[bytes, int], PartitionImage] = {}
    records: list[Struct] = []
    topics = []
    for wanted_topic in request.topics:
        topic = image.topic_by_id(wanted_topic.topic_id)
        answers = []
        for wanted in wanted_topic.partitions:
            key = (wanted_topic.topic_id, wanted.partition_index)
            partition = None if topic is None else taken.get(key) or topic.partitions.get(wanted.partition_index)
            try:
                if topic is None:
                    raise ApiError(ErrorCode.UNKNOWN_TOPIC_ID, "no such topic")
                if partition is None:
                    raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "no such partition")
                _judge(image, request.broker_id, partition, wanted)
            except ApiError as refusal:
                answers.append(
                    AlterPartitionResponsePartitionData(wanted.partition_index, error_code=refusal.error_code)
                )
                continue
            record = change_partition(
                topic.topic_id,
                wanted.partition_index,
                partition,
                rules.of(topic.name),
                lambda replica: is_active(image, replica),
                Wish(
                    isr=_isr(wanted),
                    recovered=wanted.leader_recovery_state == RECOVERED,
                    directories=lambda replica: directory_of(image, replica),
                ),
            )
            if record is None:
                record = PartitionChangeRecord(partition_id=wanted.partition_index, topic_id=topic.topic_id)
            records.append(record)
            partition = taken[key] = changed(partition, record)
            answers.append(_answer(wanted.partition_index, partition))
        topics.append(AlterPartitionResponseTopicData(topic_id=wanted_topic.topic_id, partitions=answers))
    return ControllerResult(records, AlterPartitionResponse(topics=topics))


def _isr(wanted: AlterPartitionRequestPartitionData) -> list[int]:
    return [each.broker_id for each in wanted.new_isr_with_epochs] or list(wanted.new_isr)


def _judge(
    image: MetadataImage, broker_id: int, partition: PartitionImage, wanted: AlterPartitionRequestPartitionData
) -> None:
    isr = _isr(wanted)
    if wanted.leader_epoch > partition.leader_epoch or wanted.partition_epoch > partition.partition_epoch:
        raise ApiError(ErrorCode.NOT_CONTROLLER, "the leader knows more than this controller")
    if wanted.leader_epoch < partition.leader_epoch:
        raise ApiError(ErrorCode.FENCED_LEADER_EPOCH, "another leader epoch has begun")
    if broker_id != partition.leader:
        raise ApiError(ErrorCode.INVALID_REQUEST, "only the leader may propose")
    if wanted.partition_epoch < partition.partition_epoch:
        raise ApiError(ErrorCode.INVALID_UPDATE_VERSION, "the partition has changed meanwhile")
    if broker_id not in isr or not set(isr) <= set(partition.replicas) or len(set(isr)) != len(isr):
        raise ApiError(ErrorCode.INVALID_REQUEST, "no possible set of in-sync replicas")
    if wanted.leader_recovery_state == RECOVERING and len(isr) > 1:
        raise ApiError(ErrorCode.INVALID_REQUEST, "a leader that recovers is alone in sync")
    epochs = {each.broker_id: each.broker_epoch for each in wanted.new_isr_with_epochs}
    for replica in isr:
        broker = image.brokers.get(replica)
        if (
            broker is None
            or not broker.is_active
            or epochs.get(replica, UNKNOWN_EPOCH) not in (UNKNOWN_EPOCH, broker.epoch)
        ):
            raise ApiError(ErrorCode.INELIGIBLE_REPLICA, f"broker {replica} is fenced, stopping, or another one by now")


def _answer(index: int, partition: PartitionImage) -> AlterPartitionResponsePartitionData:
    return AlterPartitionResponsePartitionData(
        partition_index=index,
        leader_id=partition.leader,
        leader_epoch=partition.leader_epoch,
        isr=list(partition.isr),
        leader_recovery_state=partition.leader_recovery_state,
        partition_epoch=partition.partition_epoch,
    )
