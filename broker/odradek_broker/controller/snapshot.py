"""An image as the records that make it: what a broker gets that has not followed from the beginning."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from odradek.protocol.messages.metadata_records import (
    BrokerEndpoint,
    ConfigRecord,
    FeatureLevelRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RegisterBrokerRecord,
    TopicRecord,
)
from odradek_broker.controller import delegation_tokens
from odradek_broker.controller.acls import record_of
from odradek_broker.controller.image import BrokerImage, MetadataImage, PartitionImage
from odradek_broker.controller.quotas import quota_record
from odradek_broker.controller.scram_users import nobody_record, scram_record


def records_of(image: MetadataImage) -> Iterator[Struct]:
    """Replayed on an empty image of the same cluster id, at the image's offset, they make the image again."""
    for name, level in image.features.items():
        yield FeatureLevelRecord(name=name, feature_level=level)
    for broker in image.brokers.values():
        yield _broker(broker)
    for topic in image.topics.values():
        yield TopicRecord(name=topic.name, topic_id=topic.topic_id)
        for index, partition in topic.partitions.items():
            yield _partition(topic.topic_id, index, partition)
    for (kind, name), values in image.configs.items():
        for key, value in values.items():
            yield ConfigRecord(resource_type=kind, resource_name=name, name=key, value=value)
    if image.salts_of_nobody:
        yield nobody_record(image.salts_of_nobody)
    for (mechanism, user), keys in image.scram.items():
        yield scram_record(user, mechanism, keys)
    for token in image.tokens.values():
        yield delegation_tokens.record_of(token)
    for entity, quotas in image.quotas.items():
        for key, limit in quotas.items():
            yield quota_record(entity, key, limit)
    for acl_id, acl in image.acls.by_id.items():
        yield record_of(acl_id, acl)
    if image.next_producer_id:
        yield ProducerIdsRecord(broker_id=-1, broker_epoch=-1, next_producer_id=image.next_producer_id)


def _broker(broker: BrokerImage) -> RegisterBrokerRecord:
    return RegisterBrokerRecord(
        broker_id=broker.broker_id,
        incarnation_id=broker.incarnation_id,
        broker_epoch=broker.epoch,
        end_points=[
            BrokerEndpoint(name=one.name, host=one.host, port=one.port, security_protocol=one.security_protocol)
            for one in broker.endpoints
        ],
        rack=broker.rack,
        fenced=broker.fenced,
        in_controlled_shutdown=broker.in_controlled_shutdown,
        log_dirs=list(broker.log_dirs),
    )


def _partition(topic_id: bytes, index: int, partition: PartitionImage) -> PartitionRecord:
    return PartitionRecord(
        partition_id=index,
        topic_id=topic_id,
        replicas=list(partition.replicas),
        isr=list(partition.isr),
        removing_replicas=list(partition.removing_replicas),
        adding_replicas=list(partition.adding_replicas),
        leader=partition.leader,
        leader_recovery_state=partition.leader_recovery_state,
        leader_epoch=partition.leader_epoch,
        partition_epoch=partition.partition_epoch,
        directories=list(partition.directories),
        eligible_leader_replicas=list(partition.elr),
        last_known_elr=list(partition.last_known_elr),
    )
