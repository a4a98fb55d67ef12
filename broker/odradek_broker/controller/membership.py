"""Brokers come and go: registration, fencing, controlled shutdown (KIP-380, 631, 841, 903, 966).

A broker registers fenced, follows the metadata, and is let in (`unfence_broker`) when it has caught up. Who is fenced,
or about to stop, is in no ISR; its partitions find other leaders at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse
from odradek.protocol.messages.metadata_records import (
    BrokerEndpoint,
    BrokerRegistrationChangeRecord,
    FeatureLevelRecord,
    RegisterBrokerRecord,
    UnregisterBrokerRecord,
)
from odradek.protocol.messages.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.features import BOOTSTRAP
from odradek_broker.controller.image import NO_LEADER, BrokerImage, MetadataImage, PartitionImage, TopicImage
from odradek_broker.controller.partition_change import Wish, change_partition
from odradek_broker.controller.partitions import is_active
from odradek_broker.controller.replica_faults import RegistrationRequest, forget_replicas
from odradek_broker.controller.result import ControllerResult
from odradek_broker.controller.topic_rules import TopicRules

FENCED, UNFENCED = 1, -1


def bootstrap() -> list[Struct]:
    """The records that an empty journal begins with."""
    return [FeatureLevelRecord(name=name, feature_level=level) for name, level in BOOTSTRAP.items()]


def register_broker(
    image: MetadataImage, request: BrokerRegistrationRequest, config: BrokerConfig
) -> ControllerResult[BrokerRegistrationResponse]:
    """Give a broker its epoch: the offset of its registration. It is fenced until it has caught up.

    A broker whose disk may lack what it had (its previous epoch is not the one that we know, or we know none) leaves
    all ISRs and ELRs first; one that has found damage leaves those of the replicas that it names. The same incarnation
    may ask again, if its answer was lost.
    """
    if request.cluster_id != image.cluster_id:
        return _refused(ErrorCode.INCONSISTENT_CLUSTER_ID)
    if request.broker_id == config.node_id and "broker" not in config.process_roles:
        return _refused(ErrorCode.INVALID_REGISTRATION)  # it is the controller's own
    known = image.brokers.get(request.broker_id)
    if known is not None and known.incarnation_id != request.incarnation_id and not known.fenced:
        return _refused(ErrorCode.DUPLICATE_BROKER_REGISTRATION)
    if known is not None and known.incarnation_id == request.incarnation_id:
        return ControllerResult([], BrokerRegistrationResponse(broker_epoch=known.epoch))
    epoch = image.offset + 1
    registration = RegisterBrokerRecord(
        broker_id=request.broker_id,
        incarnation_id=request.incarnation_id,
        broker_epoch=epoch,
        end_points=[
            BrokerEndpoint(name=one.name, host=one.host, port=one.port, security_protocol=one.security_protocol)
            for one in request.listeners
        ],
        rack=request.rack,
        fenced=True,
        log_dirs=list(request.log_dirs),
    )
    changes: list[Struct] = []
    if known is None or not _is_complete(request, known):
        changes = list(forget_replicas(image, request.broker_id, config))
    elif isinstance(request, RegistrationRequest):
        changes = list(forget_replicas(image, request.broker_id, config, request.damaged))
    return ControllerResult([registration, *changes], BrokerRegistrationResponse(broker_epoch=epoch))


def _is_complete(request: BrokerRegistrationRequest, known: BrokerImage) -> bool:
    """Whether the broker's disk has all that it had in the epoch that we know.

    The epoch may be one that the broker never heard of: its registration went through, and it died before the answer
    was written down. Then it has done nothing in it, and its disk is what it was in the epoch before.
    """
    if request.previous_broker_epoch == known.epoch:
        return True
    earlier = request.earlier_incarnations if isinstance(request, RegistrationRequest) else ()
    return request.previous_broker_epoch >= 0 and known.incarnation_id in {bytes(each) for each in earlier}


def _refused(error: ErrorCode) -> ControllerResult[BrokerRegistrationResponse]:
    return ControllerResult([], BrokerRegistrationResponse(error_code=error))


def fence_broker(image: MetadataImage, broker_id: int, config: BrokerConfig) -> list[Struct]:
    """It is silent, or known to be gone. Nothing where it is fenced already."""
    known = image.brokers.get(broker_id)
    if known is None or known.fenced:
        return []
    fenced = BrokerRegistrationChangeRecord(broker_id=broker_id, broker_epoch=known.epoch, fenced=FENCED)
    return [fenced, *_leave(image, broker_id, config)]


def unfence_broker(image: MetadataImage, broker_id: int, config: BrokerConfig) -> list[Struct]:
    """Let it in: it may lead what has waited for it."""
    known = image.brokers[broker_id]
    if not known.fenced:
        return []
    unfenced = BrokerRegistrationChangeRecord(broker_id=broker_id, broker_epoch=known.epoch, fenced=UNFENCED)
    return [unfenced, *_take_up(image, broker_id, config)]


def begin_shutdown(image: MetadataImage, broker_id: int, config: BrokerConfig) -> list[Struct]:
    """It wants to stop: others lead from now on what they can."""
    known = image.brokers[broker_id]
    if known.in_controlled_shutdown:
        return []
    stopping = BrokerRegistrationChangeRecord(broker_id=broker_id, broker_epoch=known.epoch, in_controlled_shutdown=1)
    return [stopping, *_leave(image, broker_id, config)]


def unregister_broker(
    image: MetadataImage, request: UnregisterBrokerRequest, config: BrokerConfig
) -> ControllerResult[UnregisterBrokerResponse]:
    """Forget a broker for good (kafka-cluster unregister), and that it had anything, also where it is fenced already.

    Registered again under its id it may be another machine, so nobody may count on what it has.
    """
    known = image.brokers.get(request.broker_id)
    if known is None:
        error = ErrorCode.BROKER_ID_NOT_REGISTERED
        return ControllerResult([], UnregisterBrokerResponse(error_code=error, error_message="there is no such broker"))
    left = forget_replicas(image, request.broker_id, config)
    gone = UnregisterBrokerRecord(broker_id=known.broker_id, broker_epoch=known.epoch)
    return ControllerResult([*left, gone], UnregisterBrokerResponse(error_message=None))


def take_heartbeat(
    image: MetadataImage, request: BrokerHeartbeatRequest, config: BrokerConfig
) -> ControllerResult[BrokerHeartbeatResponse]:
    """Let the broker in once it knows of its own registration; let it stop once it leads nothing, and has heard so."""
    broker = image.brokers.get(request.broker_id)
    if broker is None or broker.epoch != request.broker_epoch:
        return ControllerResult([], BrokerHeartbeatResponse(error_code=ErrorCode.STALE_BROKER_EPOCH))
    knows_itself = request.current_metadata_offset >= broker.epoch
    records: list[Struct] = []
    fenced, may_stop = broker.fenced, False
    if request.want_shut_down:
        records = begin_shutdown(image, request.broker_id, config)
        knows_everything = request.current_metadata_offset >= image.offset
        if not records and knows_everything and not leads_any(image, request.broker_id):
            may_stop = fenced = True
            records = fence_broker(image, request.broker_id, config)
    elif broker.fenced and knows_itself and not request.want_fence:
        fenced = False
        records = unfence_broker(image, request.broker_id, config)
    elif not broker.fenced and request.want_fence:
        fenced = True
        records = fence_broker(image, request.broker_id, config)
    response = BrokerHeartbeatResponse(is_caught_up=knows_itself, is_fenced=fenced, should_shut_down=may_stop)
    return ControllerResult(records, response)


def leads_any(image: MetadataImage, broker_id: int) -> bool:
    return any(partition.leader == broker_id for _, _, partition in _partitions(image))


# ------------------------------------------------------------------------------------------------------- partitions


def _leave(image: MetadataImage, broker_id: int, config: BrokerConfig) -> Iterator[Struct]:
    """Out of every ISR, and others lead."""
    rules = TopicRules(image, config)

    def stays(replica: int) -> bool:
        return replica != broker_id and is_active(image, replica)

    for topic, index, partition in _partitions(image):
        if broker_id in partition.isr:
            isr = [replica for replica in partition.isr if replica != broker_id]
            record = change_partition(topic.topic_id, index, partition, rules.of(topic.name), stays, Wish(isr=isr))
            if record is not None:
                yield record


def _take_up(image: MetadataImage, broker_id: int, config: BrokerConfig) -> Iterator[Struct]:
    """Leadership of partitions that have no leader, where it may have it."""
    rules = TopicRules(image, config)

    def comes(replica: int) -> bool:
        return replica == broker_id or is_active(image, replica)

    for topic, index, partition in _partitions(image):
        if partition.leader == NO_LEADER and broker_id in partition.replicas:
            record = change_partition(topic.topic_id, index, partition, rules.of(topic.name), comes)
            if record is not None:
                yield record


def _partitions(image: MetadataImage) -> Iterator[tuple[TopicImage, int, PartitionImage]]:
    for topic in image.topics.values():
        for index, partition in topic.partitions.items():
            yield topic, index, partition
