"""Topics: create, list, describe, add partitions, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import trio
from msgspec import Struct

from odradek.admin.base import AdminBase
from odradek.cluster.metadata import PartitionImage, TopicImage
from odradek.errors import BadAnswer, UnknownTopicOrPartition, broker_error, raise_for
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
)
from odradek.protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse

BROKER_DEFAULT = -1


class TopicDescription(Struct, frozen=True):
    """One topic. `topic_id` is 16 raw bytes, all zero where the broker has none."""

    name: str
    topic_id: bytes
    partitions: tuple[PartitionImage, ...]
    is_internal: bool

    @property
    def replication_factor(self) -> int:
        return min((len(partition.replicas) for partition in self.partitions), default=0)


class TopicAdmin(AdminBase):
    """All methods raise a BrokerError subclass for what a broker refuses, ConnectionFailed and RequestTimedOut."""

    async def create_topic(
        self,
        name: str,
        partitions: int = BROKER_DEFAULT,
        replication_factor: int = BROKER_DEFAULT,
        *,
        configs: Mapping[str, str | None] | None = None,
        replicas: Sequence[Sequence[int]] | None = None,
        validate_only: bool = False,
    ) -> None:
        """Create a topic, and wait until it can be used.

        Left out, the broker's num.partitions and default.replication.factor count. `replicas` names for each partition
        its brokers instead, the preferred leader first. Raises TopicAlreadyExists, InvalidTopic, InvalidRequest,
        InvalidConfig, PolicyViolation.
        """
        topic = CreatableTopic(
            name=name,
            num_partitions=BROKER_DEFAULT if replicas is not None else partitions,
            replication_factor=BROKER_DEFAULT if replicas is not None else replication_factor,
            assignments=[CreatableReplicaAssignment(i, brokers) for i, brokers in enumerate(replicas or ())],
            configs=[CreatableTopicConfig(key, value) for key, value in (configs or {}).items()],
        )
        question = CreateTopicsRequest(
            topics=[topic], timeout_ms=self.config.request_timeout_ms, validate_only=validate_only
        )
        answer = await self._cluster.ask_any(question, CreateTopicsResponse)
        for result in answer.topics:
            raise_for(result.error_code, result.error_message or name)
        if not validate_only:
            await self._wait_until_known(name)

    async def delete_topic(self, name: str) -> None:
        """Delete a topic, and wait until it cannot be found any more. Raises UnknownTopicOrPartition."""
        question = DeleteTopicsRequest(
            topics=[DeleteTopicState(name=name)], topic_names=[name], timeout_ms=self.config.request_timeout_ms
        )
        answer = await self._cluster.ask_any(question, DeleteTopicsResponse)
        for result in answer.responses:
            raise_for(result.error_code, result.error_message or name)
        with trio.move_on_after(self._timeout_s):
            while await self._exists(name):  # noqa: ASYNC110 - a broker can only be asked again
                await trio.sleep(self._cluster.backoff_s)

    async def create_partitions(self, name: str, count: int) -> None:
        """Let a topic have `count` partitions altogether, and wait until they can be used. Raises InvalidRequest."""
        topic = CreatePartitionsTopic(name=name, count=count, assignments=None)
        question = CreatePartitionsRequest(topics=[topic], timeout_ms=self.config.request_timeout_ms)
        answer = await self._cluster.ask_any(question, CreatePartitionsResponse)
        for result in answer.results:
            raise_for(result.error_code, result.error_message or name)
        with trio.move_on_after(self._timeout_s):
            while (await self._cluster.topic(name, self._timeout_s)).partition_count < count:
                await trio.sleep(self._cluster.backoff_s)
                await self._cluster.refresh()
            await self._wait_until_known(name)

    async def list_topics(self, *, internal: bool = False) -> list[str]:
        """The names of all topics, sorted; those of Kafka's own only where `internal`."""
        return sorted(topic.name for topic in await self._images(None) if internal or not topic.is_internal)

    async def describe_topics(self, *names: str) -> dict[str, TopicDescription]:
        """Topics with their partitions; all of them where none is named. Raises UnknownTopicOrPartition."""
        images = await self._images(names or None)
        for image in images:
            if image.error:
                raise broker_error(image.error, image.name)
        return {image.name: _description(image) for image in images}

    async def describe_topic(self, name: str) -> TopicDescription:
        """Raises UnknownTopicOrPartition."""
        found = await self.describe_topics(name)
        if name not in found:
            raise BadAnswer(f"the broker says nothing of topic {name}")
        return found[name]

    async def _exists(self, name: str) -> bool:
        try:
            await self.describe_topics(name)
        except UnknownTopicOrPartition:
            return False
        return True

    async def _images(self, names: Sequence[str] | None) -> list[TopicImage]:
        topics = None if names is None else [MetadataRequestTopic(name=name) for name in names]
        question = MetadataRequest(topics=topics, allow_auto_topic_creation=False)
        answer = await self._cluster.ask_first(question, MetadataResponse)
        return [_image(answer, name) for name in sorted({t.name for t in answer.topics if t.name is not None})]


def _image(answer: MetadataResponse, name: str) -> TopicImage:
    topic = next(topic for topic in answer.topics if topic.name == name)
    partitions = tuple(
        PartitionImage(
            p.partition_index,
            p.leader_id,
            p.leader_epoch,
            tuple(p.replica_nodes),
            tuple(p.isr_nodes),
            tuple(p.offline_replicas),
            ErrorCode.from_code(p.error_code),
        )
        for p in sorted(topic.partitions, key=lambda p: p.partition_index)
    )
    return TopicImage(name, topic.topic_id, partitions, topic.is_internal, ErrorCode.from_code(topic.error_code))


def _description(image: TopicImage) -> TopicDescription:
    return TopicDescription(image.name, image.topic_id, image.partitions, image.is_internal)
