"""A coordinator with topics, and members of a consumer group that talk to it: in a list of calls."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import structs

from odradek.protocol.messages.consumer_group_describe import DescribedGroup
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from odradek.protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchRequestTopics
from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.groups.consumer.group import ConsumerGroup
from odradek_broker.groups.consumer.heartbeat import HeartbeatSender
from odradek_broker.groups.consumer.regexes import resolve
from odradek_broker.groups.settings import GroupSettings
from odradek_broker.groups.topics import Topic, topic_of
from tests.groups.group_scene import Scene

SESSION_MS, HEARTBEAT_MS, REBALANCE_MS = 45_000, 5_000, 60_000
ASSIGNMENT_INTERVAL_MS = 1_000


def topic_id(name: str) -> bytes:
    return name.encode().ljust(16, b"-")


class FakeTopics:
    """So many partitions of each topic."""

    def __init__(self, counts: Mapping[str, int], version: int = 0, names_version: int = 0) -> None:
        self.version, self.names_version = version, names_version
        self._topics = {name: topic_of(name, topic_id(name), [[]] * count) for name, count in counts.items()}

    def get(self, name: str) -> Topic | None:
        return self._topics.get(name)

    def name_of(self, topic: bytes) -> str | None:
        return next((name for name in self._topics if topic_id(name) == topic), None)

    def names(self) -> Collection[str]:
        return self._topics.keys()


class ConsumerScene(Scene):
    """Topics a and b have six and two partitions."""

    def __init__(self, *, loaded_from: Iterable[CoordinatorRecord] = (), **settings: int) -> None:
        super().__init__(loaded_from=loaded_from, **{"group_consumer_assignment_interval_ms": 0, **settings})
        self.counts = {"a": 6, "b": 2}
        self.set_topics()

    def set_topics(self, **counts: int) -> None:
        """Metadata has changed: topics with so many partitions are there too; none with 0."""
        before, version = self.core.topics, self.core.topics.version + 1
        self.counts = {name: count for name, count in (self.counts | counts).items() if count}
        came = self.counts.keys() - set(before.names())
        self.core.topics = FakeTopics(self.counts, version, version if came else before.names_version)

    def restarted_consumers(self) -> ConsumerScene:
        """A new coordinator over the same log."""
        scene = ConsumerScene(loaded_from=self.log)
        scene.counts, scene.core.topics, scene.now_ms = self.counts, self.core.topics, self.now_ms
        scene.core.settings = self.core.settings
        return scene

    def settings_with(self, **settings: object) -> GroupSettings:
        return structs.replace(self.core.settings, **settings)

    def consumers(self, group: str = "g") -> ConsumerGroup:
        found = self.core.groups[group]
        assert isinstance(found, ConsumerGroup)
        return found

    def beat(
        self, request: ConsumerGroupHeartbeatRequest, *, version: int = 1, client_id: str = "c"
    ) -> ConsumerGroupHeartbeatResponse:
        self.tickets += 1
        topics = self.core.topics
        sender = HeartbeatSender(
            version=version,
            new_member_id=f"made-{self.tickets}",
            client_id=client_id,
            client_host="/h",
            resolved=resolve(self.core.regexes_to_resolve(request, self.now), topics.names(), topics.version),
        )
        return self.carry_out(self.core.consumer_heartbeat(request, sender, self.now))

    def member(self, name: str, *topics: str, group: str = "g", instance: str | None = None) -> ScriptedMember:
        return ScriptedMember(self, name, topics or ("a",), group, instance)

    def described(self, group: str = "g") -> DescribedGroup:
        return self.core.describe_consumer_group(group)

    def commit_as(
        self,
        member: str,
        epoch: int,
        offset: int = 1,
        *,
        topic: str = "a",
        partition: int = 0,
        version: int = 9,
        transactional: bool = False,
    ) -> int:
        request = OffsetCommitRequest(
            group_id="g",
            generation_id_or_member_epoch=epoch,
            member_id=member,
            topics=[OffsetCommitRequestTopic(topic, partitions=[OffsetCommitRequestPartition(partition, offset)])],
        )
        result = self.core.commit(request, self.now, version=version, transactional=transactional)
        return self.carry_out(result).topics[0].partitions[0].error_code

    def fetch_as(self, member: str | None, epoch: int) -> int:
        """The error."""
        topics = [OffsetFetchRequestTopics("a", partition_indexes=[0])]
        request = OffsetFetchRequestGroup("g", member, epoch, topics)
        return self.core.fetch(request, require_stable=False).error_code


class ScriptedMember:
    """A client of the consumer protocol that does at once what it is told."""

    def __init__(
        self, scene: ConsumerScene, name: str, topics: Sequence[str], group: str, instance: str | None
    ) -> None:
        self.scene, self.name, self.topics, self.group, self.instance = scene, name, topics, group, instance
        self.epoch = 0
        self.owned: dict[bytes, set[int]] = {}
        self.told: dict[bytes, set[int]] = {}
        """What the coordinator has last said that it should have."""
        self.error = 0

    def request(self, **fields: object) -> ConsumerGroupHeartbeatRequest:
        said: dict[str, object] = {
            "group_id": self.group,
            "member_id": self.name,
            "member_epoch": self.epoch,
            "instance_id": self.instance,
        }
        return ConsumerGroupHeartbeatRequest(**(said | fields))  # type: ignore[arg-type]

    def join(self, **fields: object) -> ConsumerGroupHeartbeatResponse:
        self.epoch, self.owned = 0, {}
        first = {"rebalance_timeout_ms": REBALANCE_MS, "subscribed_topic_names": self.topics, "topic_partitions": ()}
        return self._hear(self.scene.beat(self.request(**(first | fields))))

    def beat(self, **fields: object) -> ConsumerGroupHeartbeatResponse:
        """Heartbeat; what it was told before it has done by now."""
        self.owned = {topic: set(partitions) for topic, partitions in self.told.items()}
        return self._hear(self.scene.beat(self.request(topic_partitions=self.owned_partitions(), **fields)))

    def leave(self, epoch: int = -1) -> int:
        return self.scene.beat(self.request(member_epoch=epoch)).error_code

    def owned_partitions(self) -> list[TopicPartitions]:
        return [TopicPartitions(topic, sorted(partitions)) for topic, partitions in self.owned.items()]

    def partitions(self, topic: str = "a") -> set[int]:
        """What it has been told to read."""
        return self.told.get(topic_id(topic), set())

    def _hear(self, response: ConsumerGroupHeartbeatResponse) -> ConsumerGroupHeartbeatResponse:
        self.error = response.error_code
        if not self.error:
            self.epoch = response.member_epoch
            if response.assignment is not None:
                self.told = {each.topic_id: set(each.partitions) for each in response.assignment.topic_partitions}
        return response


def settle(*members: ScriptedMember, rounds: int = 4) -> None:
    """Let each send some heartbeats."""
    for _ in range(rounds):
        for member in members:
            member.beat()
