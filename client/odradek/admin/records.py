"""Offsets of partitions, deleting old records, and the cluster itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

from odradek.admin.base import AdminBase
from odradek.cluster.metadata import BrokerAddress
from odradek.errors import NotLeader, broker_error, raise_for
from odradek.lag import Lag, Span, count_records
from odradek.offsets import EARLIEST, LATEST, MAX_TIMESTAMP, FoundOffset, list_offsets
from odradek.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
)
from odradek.protocol.messages.describe_cluster import DescribeClusterRequest, DescribeClusterResponse
from odradek.protocol.topic_partition import TopicPartition

UP_TO_HIGH_WATERMARK = -1


class ClusterDescription(Struct, frozen=True):
    """The cluster as one broker knows it."""

    cluster_id: str
    controller_id: int
    brokers: tuple[BrokerAddress, ...]


class RecordAdmin(AdminBase):
    """What is in the logs."""

    async def list_offsets(self, timestamps: Mapping[TopicPartition, int]) -> dict[TopicPartition, FoundOffset]:
        """The first record not older than a time in ms; LATEST, EARLIEST and MAX_TIMESTAMP of odradek.offsets are the
        ends of the log and the newest record. Raises UnknownTopicOrPartition."""
        return await list_offsets(self._cluster, timestamps, read_committed=False, timeout_s=self._timeout_s)

    async def end_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        found = await self.list_offsets(dict.fromkeys(partitions, LATEST))
        return {partition: answer.offset for partition, answer in found.items()}

    async def beginning_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        found = await self.list_offsets(dict.fromkeys(partitions, EARLIEST))
        return {partition: answer.offset for partition, answer in found.items()}

    async def newest_records(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, FoundOffset]:
        """The record with the highest timestamp of each partition."""
        return await self.list_offsets(dict.fromkeys(partitions, MAX_TIMESTAMP))

    async def count_records(
        self, spans: Mapping[TopicPartition, Span], *, read_committed: bool = False
    ) -> dict[TopicPartition, Lag]:
        """What a consumer would get of each span of offsets: records, bytes, and the age of the first of them.

        Raises UnknownTopicOrPartition.
        """
        return await count_records(self._cluster, spans, read_committed=read_committed, timeout_s=self._timeout_s)

    async def delete_records(self, before: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Delete what is before these offsets (-1: all that is committed). Returns where the logs begin now.

        Raises OffsetOutOfRange, PolicyViolation for a topic that is compacted only, UnknownTopicOrPartition.
        """
        for topic in sorted({topic for topic, _ in before}):
            await self._cluster.topic(topic, self._timeout_s)
        by_leader: dict[int, dict[str, list[DeleteRecordsPartition]]] = {}
        for partition, offset in before.items():
            leader = self._cluster.image.leader(*partition)
            entry = DeleteRecordsPartition(partition.partition, offset)
            by_leader.setdefault(leader, {}).setdefault(partition.topic, []).append(entry)
        begins: dict[TopicPartition, int] = {}
        for leader, topics in by_leader.items():
            request = DeleteRecordsRequest(
                [DeleteRecordsTopic(name, entries) for name, entries in topics.items()], self.config.request_timeout_ms
            )
            answer = await self._cluster.request(leader, request, DeleteRecordsResponse)
            for topic_result in answer.topics:
                for p in topic_result.partitions:
                    partition = TopicPartition(topic_result.name, p.partition_index)
                    if p.error_code:
                        error = broker_error(p.error_code, str(partition))
                        if isinstance(error, NotLeader):
                            self._cluster.wish_refresh()
                        raise error
                    begins[partition] = p.low_watermark
        return begins

    async def describe_cluster(self) -> ClusterDescription:
        """Who is there."""
        connection = await self._cluster.any_connection()
        if not connection.ranges.knows(DescribeClusterRequest):
            await self._cluster.refresh()
            image = self._cluster.image
            return ClusterDescription(image.cluster_id or "", image.controller_id, tuple(image.brokers.values()))
        answer = await connection.request(DescribeClusterRequest(), DescribeClusterResponse, self._timeout_s)
        raise_for(answer.error_code, answer.error_message)
        brokers = sorted(answer.brokers, key=lambda broker: broker.broker_id)
        return ClusterDescription(
            answer.cluster_id,
            answer.controller_id,
            tuple(BrokerAddress(b.broker_id, b.host, b.port, b.rack) for b in brokers),
        )
