"""The image of the metadata: what all records so far amount to.

Invariants
    An image never changes; replay makes a new one, which shares with the old what has not changed.
    Partitions of a topic are numbered from 0 without a gap.
    Every change of a partition raises its partition epoch; a change of leadership also its leader epoch.
    The leader, where there is one, is in the ISR; the ISR is part of the replicas.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from msgspec import Struct

from odradek.protocol.sasl.scram import ScramKeys
from odradek.protocol.schema import ZERO_UUID
from odradek_broker.security.acl_index import NO_ACLS, AclIndex
from odradek_broker.security.delegation import DelegationToken
from odradek_broker.security.quotas import Quotas

NO_LEADER = -1
METADATA_TOPIC = "__cluster_metadata"
GROUP_TOPIC = "__consumer_offsets"
TRANSACTION_TOPIC = "__transaction_state"
SHARE_TOPIC = "__share_group_state"
GROUP_VERSION = "group.version"
"""The feature; from level 1 on there are groups of the consumer protocol (KIP-848)."""
TRANSACTION_VERSION = "transaction.version"
"""The feature; from level 1 on records of transactions say more, from 2 on each end raises the epoch (KIP-890)."""
SHARE_VERSION = "share.version"
"""The feature; from level 1 on there are share groups, from 2 on what they give up has a topic (KIP-1191)."""
INTERNAL_TOPICS = frozenset({GROUP_TOPIC, TRANSACTION_TOPIC, SHARE_TOPIC})

NOTHING: Mapping[str, str] = MappingProxyType({})


class ResourceType(IntEnum):
    """What a configuration belongs to; Kafka's numbers."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class Endpoint(Struct, frozen=True):
    """Where a broker is reached by one of its listeners."""

    name: str
    host: str
    port: int
    security_protocol: int = 0


class BrokerImage(Struct, frozen=True, kw_only=True):
    """A registered broker."""

    broker_id: int
    epoch: int
    """The offset of its registration: a control message with another one is stale (KIP-380)."""
    incarnation_id: bytes = ZERO_UUID
    endpoints: tuple[Endpoint, ...] = ()
    rack: str | None = None
    fenced: bool = False
    in_controlled_shutdown: bool = False
    log_dirs: tuple[bytes, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether its replicas may be in an ISR."""
        return not self.fenced and not self.in_controlled_shutdown

    def endpoint(self, name: str) -> Endpoint | None:
        return next((endpoint for endpoint in self.endpoints if endpoint.name == name), None)

    def address(self, listener: str) -> tuple[str, int] | None:
        """Where another broker reaches this one: by the listener of that name, else by its first."""
        endpoint = self.endpoint(listener) or next(iter(self.endpoints), None)
        return None if endpoint is None else (endpoint.host, endpoint.port)


class PartitionImage(Struct, frozen=True, kw_only=True):
    """Who keeps a partition, and who of them leads."""

    replicas: tuple[int, ...]
    """The preferred leader first."""
    isr: tuple[int, ...]
    leader: int
    leader_epoch: int = 0
    partition_epoch: int = 0
    adding_replicas: tuple[int, ...] = ()
    removing_replicas: tuple[int, ...] = ()
    elr: tuple[int, ...] = ()
    """Replicas that have left the ISR but hold all that was committed (KIP-966)."""
    last_known_elr: tuple[int, ...] = ()
    leader_recovery_state: int = 0
    directories: tuple[bytes, ...] = ()

    @property
    def is_reassigning(self) -> bool:
        return bool(self.adding_replicas or self.removing_replicas)


class TopicImage(Struct, frozen=True):
    """A topic and its partitions."""

    name: str
    topic_id: bytes
    partitions: Mapping[int, PartitionImage]

    @property
    def is_internal(self) -> bool:
        return self.name in INTERNAL_TOPICS

    @property
    def replication_factor(self) -> int:
        return len(self.partitions[0].replicas) if self.partitions else 0


class MetadataImage(Struct, frozen=True, kw_only=True):
    """All that the controller knows."""

    cluster_id: str = ""
    offset: int = -1
    """Of the last record that is in here."""
    brokers: Mapping[int, BrokerImage] = MappingProxyType({})
    topics: Mapping[str, TopicImage] = MappingProxyType({})
    topic_names: Mapping[bytes, str] = MappingProxyType({})
    configs: Mapping[tuple[int, str], Mapping[str, str]] = MappingProxyType({})
    features: Mapping[str, int] = MappingProxyType({})
    next_producer_id: int = 0
    scram: Mapping[tuple[int, str], ScramKeys] = MappingProxyType({})
    """What is kept of users' passwords, by the number of the mechanism and the user."""
    salts_of_nobody: bytes = b""
    """Of which salts are made for users that there are not; empty until there has been a user."""
    tokens: Mapping[str, DelegationToken] = MappingProxyType({})
    """Delegation tokens by their ids."""
    acls: AclIndex = NO_ACLS
    quotas: Quotas = MappingProxyType({})

    def topic_by_id(self, topic_id: bytes) -> TopicImage | None:
        name = self.topic_names.get(topic_id)
        return None if name is None else self.topics[name]

    def partition(self, topic: str, index: int) -> PartitionImage | None:
        found = self.topics.get(topic)
        return None if found is None else found.partitions.get(index)

    def config(self, resource_type: int, name: str) -> Mapping[str, str]:
        """What is set for one resource; the broker "" stands for all brokers."""
        return self.configs.get((resource_type, name), NOTHING)

    def topic_config(self, name: str) -> Mapping[str, str]:
        return self.config(ResourceType.TOPIC, name)

    @property
    def active_brokers(self) -> list[BrokerImage]:
        return [broker for broker in self.brokers.values() if broker.is_active]
