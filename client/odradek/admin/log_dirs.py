"""What lies on the brokers' disks."""

from __future__ import annotations

from collections.abc import Collection

from odradek.admin.base import AdminBase
from odradek.errors import raise_for
from odradek.protocol.messages.describe_log_dirs import (
    DescribableLogDirTopic,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
)
from odradek.protocol.topic_partition import TopicPartition


class LogDirAdmin(AdminBase):
    """All brokers are asked, each for what it has."""

    async def replica_sizes(
        self, partitions: Collection[TopicPartition] | None = None
    ) -> dict[TopicPartition, dict[int, int]]:
        """How many bytes each broker has of each partition; of all there are where none is named.

        Raises ConnectionFailed and RequestTimedOut where a broker does not answer.
        """
        topics: dict[str, list[int]] = {}
        for topic, index in partitions or ():
            topics.setdefault(topic, []).append(index)
        wanted = [DescribableLogDirTopic(topic, indexes) for topic, indexes in topics.items()]
        request = DescribeLogDirsRequest(None if partitions is None else wanted)
        sizes: dict[TopicPartition, dict[int, int]] = {}

        async def ask(broker: int) -> None:
            answer = await self._cluster.request(broker, request, DescribeLogDirsResponse)
            raise_for(answer.error_code, f"broker {broker}")
            for directory in answer.results:
                raise_for(directory.error_code, f"broker {broker}: {directory.log_dir}")
                for topic in directory.topics:
                    for replica in topic.partitions:
                        if not replica.is_future_key:
                            partition = TopicPartition(topic.name, replica.partition_index)
                            sizes.setdefault(partition, {})[broker] = replica.partition_size

        await self._cluster.refresh()
        for broker in sorted(self._cluster.image.brokers):
            await ask(broker)
        return sizes
