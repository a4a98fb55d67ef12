"""What is known of a cluster: its brokers, its topics, who leads which partition. Plain data, merged answer by answer.

Invariant: a partition's leader epoch never falls. An answer from a broker that lags behind is taken where it is newer
and ignored where it is older (KIP-320), also where the newer leader is gone by now: who led before it lacks what it has
written, and would say so of a reader's offset. Only a topic that was made anew, with another id, begins again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct, structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.metadata import MetadataResponse, MetadataResponseTopic
from odradek.protocol.schema import ZERO_UUID

NO_LEADER = -1


class BrokerAddress(Struct, frozen=True):
    """Where a broker is to be reached, by what it says itself."""

    node_id: int
    host: str
    port: int
    rack: str | None = None

    def __str__(self) -> str:
        return f"broker {self.node_id} at {self.host}:{self.port}"


class PartitionImage(Struct, frozen=True):
    """One partition as of the newest answer."""

    index: int
    leader: int
    leader_epoch: int
    replicas: tuple[int, ...] = ()
    isr: tuple[int, ...] = ()
    offline_replicas: tuple[int, ...] = ()
    error: ErrorCode = ErrorCode.NONE


class TopicImage(Struct, frozen=True):
    """One topic as of the newest answer. With an error other than NONE it has no partitions."""

    name: str
    topic_id: bytes
    partitions: tuple[PartitionImage, ...]
    is_internal: bool = False
    error: ErrorCode = ErrorCode.NONE

    @property
    def partition_count(self) -> int:
        return len(self.partitions)


class ClusterImage:
    """The newest knowledge. `generation` rises with every answer taken in."""

    def __init__(self) -> None:
        self.generation = 0
        self.cluster_id: str | None = None
        self.controller_id = -1
        self.brokers: dict[int, BrokerAddress] = {}
        self.topics: dict[str, TopicImage] = {}
        self._names: dict[bytes, str] = {}

    def topic_name(self, topic_id: bytes) -> str | None:
        return self._names.get(topic_id)

    def partition(self, topic: str, partition: int) -> PartitionImage | None:
        known = self.topics.get(topic)
        if known is None or not 0 <= partition < len(known.partitions):
            return None
        return known.partitions[partition]

    def leader(self, topic: str, partition: int) -> int:
        """The node id of the leader, or NO_LEADER."""
        known = self.partition(topic, partition)
        return NO_LEADER if known is None else known.leader

    def leader_epoch(self, topic: str, partition: int) -> int:
        """-1 where it is not known."""
        known = self.partition(topic, partition)
        return -1 if known is None else known.leader_epoch

    def take_leader(self, topic: str, partition: int, leader: int, leader_epoch: int) -> bool:
        """Believe a broker that names a newer leader in an error (KIP-951). False where it is not newer or unusable."""
        known = self.partition(topic, partition)
        if known is None or leader not in self.brokers or leader_epoch <= known.leader_epoch:
            return False
        newer = PartitionImage(partition, leader, leader_epoch, known.replicas, known.isr, known.offline_replicas)
        image = self.topics[topic]
        partitions = (*image.partitions[:partition], newer, *image.partitions[partition + 1 :])
        self.topics[topic] = TopicImage(topic, image.topic_id, partitions, image.is_internal)
        return True

    def take_brokers(self, brokers: Iterable[BrokerAddress]) -> None:
        for broker in brokers:
            self.brokers[broker.node_id] = broker

    def merge(self, answer: MetadataResponse, *, asked: Collection[str] | None) -> None:
        """Take in an answer about these topics, and nothing else of what it says; None asked for all there are, and
        what it does not name then is gone."""
        self.generation += 1
        self.cluster_id = answer.cluster_id or self.cluster_id
        self.controller_id = answer.controller_id
        self.brokers = {b.node_id: BrokerAddress(b.node_id, b.host, b.port, b.rack) for b in answer.brokers}
        topics = {} if asked is None else dict(self.topics)
        for topic in answer.topics:
            if topic.name is not None and (asked is None or topic.name in asked):
                topics[topic.name] = self._merged(topic, self.topics.get(topic.name))
        self.topics = topics
        self._names = {image.topic_id: name for name, image in topics.items() if image.topic_id != ZERO_UUID}

    def _merged(self, topic: MetadataResponseTopic, known: TopicImage | None) -> TopicImage:
        assert topic.name is not None
        same = known is not None and known.topic_id == topic.topic_id
        if topic.error_code:
            return TopicImage(topic.name, topic.topic_id, (), topic.is_internal, ErrorCode.from_code(topic.error_code))
        partitions: list[PartitionImage] = []
        for p in sorted(topic.partitions, key=lambda p: p.partition_index):
            if p.partition_index != len(partitions):
                break  # A partition's place is its number: what lies behind a gap cannot be spoken of.
            new = PartitionImage(
                p.partition_index,
                p.leader_id,
                p.leader_epoch,
                tuple(p.replica_nodes),
                tuple(p.isr_nodes),
                tuple(p.offline_replicas),
                ErrorCode.from_code(p.error_code),
            )
            if same and known is not None and p.partition_index < len(known.partitions):
                old = known.partitions[p.partition_index]
                if old.leader_epoch > new.leader_epoch >= 0:
                    new = old if old.leader in self.brokers else structs.replace(old, leader=NO_LEADER)
            partitions.append(new)
        return TopicImage(topic.name, topic.topic_id, tuple(partitions), topic.is_internal)
