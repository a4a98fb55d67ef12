"""Random decisions, so that a test need not think of the one that goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from msgspec import Struct

from odradek.protocol import acl as words
from odradek.protocol.acl import Operation, PatternType, Permission
from odradek.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest
from odradek.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasRequestEntryData,
    EntityData,
    OpData,
)
from odradek.protocol.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionRequestPartitionData,
    AlterPartitionRequestTopicData,
    BrokerState,
)
from odradek.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from odradek.protocol.messages.create_acls import AclCreation, CreateAclsRequest
from odradek.protocol.messages.create_topics import CreateTopicsRequest
from odradek.protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from odradek.protocol.messages.unregister_broker import UnregisterBrokerRequest
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.acls import create_acls, delete_acls
from odradek_broker.controller.alter_partition import alter_partition
from odradek_broker.controller.configs import incremental_alter_configs
from odradek_broker.controller.create_topics import create_topics
from odradek_broker.controller.delete_topics import delete_topics
from odradek_broker.controller.image import Endpoint, MetadataImage, ResourceType
from odradek_broker.controller.membership import begin_shutdown, bootstrap, fence_broker, unregister_broker
from odradek_broker.controller.producer_ids import allocate_producer_ids
from odradek_broker.controller.quotas import alter_client_quotas
from odradek_broker.controller.reassignments import alter_reassignments
from odradek_broker.controller.replay import replay
from odradek_broker.security.quotas import FETCH, PRODUCE
from tests.controller.images import creatable, join

BROKERS = range(1, 6)
CONFIG = BrokerConfig(min_insync_replicas=2)


def decisions(random: Random, count: int, image: MetadataImage) -> Iterator[tuple[list[Struct], MetadataImage]]:
    """The records of each, and the image after it. The first begins the metadata."""
    records = bootstrap()
    for _ in range(count):
        image = replay(image, records)
        yield records, image
        while not (records := _decide(random, image)):
            pass


def _decide(random: Random, image: MetadataImage) -> list[Struct]:
    broker = image.brokers.get(random.choice(BROKERS))
    topic = random.choice(list(image.topics.values())) if image.topics else None
    kind = random.randrange(12)
    if kind == 11:
        return _change_quotas(random, image)
    if kind == 10:
        return _change_acls(random, image)
    if broker is None or kind == 0:
        id = random.choice(BROKERS) if broker is None else broker.broker_id
        endpoint = Endpoint("PLAINTEXT", f"b{id}", random.randrange(1, 65536))
        rack, previous = random.choice([None, "a", "b"]), random.choice([None, -1])
        directories = (random.randbytes(16),) * random.randrange(2)
        return join(image, id, random.randbytes(16), (endpoint,), rack, directories, previous)
    if kind == 1:
        return fence_broker(image, broker.broker_id, CONFIG)
    if kind == 2:
        return begin_shutdown(image, broker.broker_id, CONFIG)
    if kind == 3 and random.random() < 0.3:
        return unregister_broker(image, UnregisterBrokerRequest(broker.broker_id), CONFIG).records
    if kind == 4:
        request = AllocateProducerIdsRequest(broker_id=broker.broker_id, broker_epoch=broker.epoch)
        return allocate_producer_ids(image, request).records
    if kind == 5 or topic is None:
        name, retention = f"t{random.randrange(8)}", random.choice([None, "7"])
        new = creatable(name, random.randrange(1, 4), random.randrange(1, 4), retention_ms=retention)
        return create_topics(image, CreateTopicsRequest(topics=[new]), CONFIG, random).records
    if kind == 6:
        what, name = random.choice(
            [(ResourceType.TOPIC, topic.name), (ResourceType.BROKER, ""), (ResourceType.BROKER, "3")]
        )
        value = random.choice([None, "1000", "2000"])
        key = "retention.ms" if what is ResourceType.TOPIC else "log.retention.ms"
        change = AlterableConfig(name=key, config_operation=0 if value else 1, value=value)
        resource = AlterConfigsResource(resource_type=what, resource_name=name, configs=[change])
        return incremental_alter_configs(image, IncrementalAlterConfigsRequest(resources=[resource]), CONFIG).records
    if kind == 7 and random.random() < 0.5:
        gone = DeleteTopicsRequest(topics=[DeleteTopicState(name=topic.name)])
        return delete_topics(image, gone, CONFIG, 6).records
    index, partition = random.choice(list(topic.partitions.items()))
    if kind == 8:
        targets = random.sample(list(image.brokers), min(len(image.brokers), random.randrange(1, 4)))
        wanted = ReassignablePartition(partition_index=index, replicas=targets)
        moves = AlterPartitionReassignmentsRequest(topics=[ReassignableTopic(name=topic.name, partitions=[wanted])])
        return alter_reassignments(image, moves, CONFIG).records
    leader = image.brokers.get(partition.leader)
    if leader is None:
        return []
    others = random.sample(partition.replicas, random.randrange(len(partition.replicas) + 1))
    isr = [BrokerState(broker_id=each) for each in {partition.leader, *others}]
    proposal = AlterPartitionRequestPartitionData(
        partition_index=index,
        leader_epoch=partition.leader_epoch,
        new_isr_with_epochs=isr,
        partition_epoch=partition.partition_epoch,
    )
    return alter_partition(
        image,
        AlterPartitionRequest(
            broker_id=leader.broker_id,
            broker_epoch=leader.epoch,
            topics=[AlterPartitionRequestTopicData(topic_id=topic.topic_id, partitions=[proposal])],
        ),
        CONFIG,
    ).records


def _change_acls(random: Random, image: MetadataImage) -> list[Struct]:
    name, principal = f"t{random.randrange(2)}", f"User:u{random.randrange(2)}"
    if random.random() < 0.3:
        gone = DeleteAclsFilter(
            words.ResourceType.ANY, name, PatternType.ANY, principal, None, Operation.ANY, Permission.ANY
        )
        return delete_acls(image, DeleteAclsRequest([gone])).records
    pattern = random.choice([PatternType.LITERAL, PatternType.PREFIXED])
    operation, permission = (
        random.choice([Operation.READ, Operation.ALL]),
        random.choice([Permission.DENY, Permission.ALLOW]),
    )
    new = AclCreation(words.ResourceType.TOPIC, name, pattern, principal, "*", operation, permission)
    return create_acls(image, CreateAclsRequest([new]), random.randbytes).records


def _change_quotas(random: Random, image: MetadataImage) -> list[Struct]:
    entity = [EntityData("user", random.choice([None, "alice"]))]
    if random.random() < 0.5:
        entity.append(EntityData("client-id", random.choice([None, "c"])))
    change = OpData(random.choice([PRODUCE, FETCH]), random.randrange(1, 3) * 1000.0, random.random() < 0.3)
    request = AlterClientQuotasRequest([AlterClientQuotasRequestEntryData(entity, [change])])
    return alter_client_quotas(image, request).records
