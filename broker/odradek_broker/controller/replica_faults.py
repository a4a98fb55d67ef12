"""What is wrong with the replicas of a broker, as it tells the controller: when it registers, or later.

    damaged       something is missing that had been on stable storage. The replica leaves ISR and ELR as one that may
                  lack what was committed: it is elected only as the last one known, and fetches again from others.
    unreadable    it cannot be opened at the moment. Another leads, if one may without a loss; what the replica has is
                  doubted no more than before.

The messages are our own, between brokers and controllers: Kafka knows only directories that are offline. A request that
comes late, or twice, costs a replica its place in the ISR for as long as it takes to catch up, and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import ClassVar

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse
from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, Int64, Uuid
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.image import NO_LEADER, MetadataImage, PartitionImage, TopicImage
from odradek_broker.controller.partition_change import IsActive, Wish, change_partition
from odradek_broker.controller.partitions import is_active
from odradek_broker.controller.replay import changed, replay
from odradek_broker.controller.result import ControllerResult
from odradek_broker.controller.topic_rules import TopicRules


class ReplicaOf(Struct, frozen=True):
    """The broker's replica of one partition."""

    topic_id: Uuid = ZERO_UUID
    partition_index: Int32 = 0


class RegistrationRequest(BrokerRegistrationRequest, frozen=True):
    """BrokerRegistration, and what our own controllers understand besides."""

    API_KEY: ClassVar[int] = 20003
    VERSIONS: ClassVar[range] = range(4, 5)

    earlier_incarnations: Array[Uuid] = ()
    """Under which this broker may have been registered since `previous_broker_epoch`, with the disk as it was then."""
    damaged: Array[ReplicaOf] = ()


class ReplicaFaultsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20004
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    broker_id: Int32 = 0
    broker_epoch: Int64 = -1
    damaged: Array[ReplicaOf] = ()
    unreadable: Array[ReplicaOf] = ()


class ReplicaFaultsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20004
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    error_code: Int16 = 0
    """STALE_BROKER_EPOCH."""


MESSAGES: dict[int, tuple[type[Struct], type[Struct]]] = {
    RegistrationRequest.API_KEY: (RegistrationRequest, BrokerRegistrationResponse),
    ReplicaFaultsRequest.API_KEY: (ReplicaFaultsRequest, ReplicaFaultsResponse),
}
"""Request and response by key."""


def take_replica_faults(
    image: MetadataImage, request: ReplicaFaultsRequest, config: BrokerConfig
) -> ControllerResult[ReplicaFaultsResponse]:
    broker_id = request.broker_id
    broker = image.brokers.get(broker_id)
    if broker is None or broker.epoch != request.broker_epoch:
        return ControllerResult([], ReplicaFaultsResponse(error_code=ErrorCode.STALE_BROKER_EPOCH))
    records = list(forget_replicas(image, broker_id, config, request.damaged))
    image = replay(image, records)
    rules = TopicRules(image, config)
    # What is damaged is led by another now, or by nobody; and then by the damaged one, if it is all that is left. These
    # are two steps, so that a new leader epoch begins: the log is another one.
    for topic, index, partition in _named(image, request.damaged):
        if partition.leader == NO_LEADER:
            records += _one(change_partition(topic.topic_id, index, partition, rules.of(topic.name), _active(image)))
    for topic, index, partition in _named(image, request.unreadable):
        if partition.leader != broker_id:
            continue  # its leader sees by itself that it does not follow
        isr = [replica for replica in partition.isr if replica != broker_id]
        others = _active(image, but=broker_id)
        record = change_partition(topic.topic_id, index, partition, rules.of(topic.name), others, Wish(isr=isr))
        if record is not None and changed(partition, record).leader != NO_LEADER:
            records.append(record)
    return ControllerResult(records, ReplicaFaultsResponse())


def forget_replicas(
    image: MetadataImage, broker_id: int, config: BrokerConfig, replicas: Collection[ReplicaOf] | None = None
) -> Iterator[Struct]:
    """Take a broker's replicas out of ISR and ELR, as they may lack what was committed: all of them, or these."""
    rules = TopicRules(image, config)
    everything = (
        (topic, index, partition) for topic in image.topics.values() for index, partition in topic.partitions.items()
    )
    for topic, index, partition in everything if replicas is None else _named(image, replicas):
        if broker_id in partition.isr or broker_id in partition.elr:
            isr = [replica for replica in partition.isr if replica != broker_id]
            yield from _one(
                change_partition(
                    topic.topic_id,
                    index,
                    partition,
                    rules.of(topic.name),
                    _active(image, but=broker_id),
                    Wish(isr=isr, unclean_restart=(broker_id,)),
                )
            )


def _active(image: MetadataImage, *, but: int | None = None) -> IsActive:
    return lambda replica: replica != but and is_active(image, replica)


def _one(record: Struct | None) -> list[Struct]:
    return [] if record is None else [record]


def _named(image: MetadataImage, replicas: Collection[ReplicaOf]) -> Iterator[tuple[TopicImage, int, PartitionImage]]:
    """Those that there are (any more)."""
    for each in replicas:
        topic = image.topic_by_id(each.topic_id)
        partition = None if topic is None else topic.partitions.get(each.partition_index)
        if topic is not None and partition is not None:
            yield topic, each.partition_index, partition
