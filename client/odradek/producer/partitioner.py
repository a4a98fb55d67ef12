"""Which partition a record goes to.

    partition given     that one
    a function given    what it says
    with a key          murmur2(key), as every Kafka client does, so equal keys meet whoever wrote them
    without a key       sticky: one partition until its batch is closed, then the next (KIP-480); or round robin

Without a key, partitions that have no leader at the moment are passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from odradek.cluster.metadata import NO_LEADER
from odradek.producer.config import ChoosePartition, Partitioner
from odradek.producer.queue import PartitionQueue
from odradek.protocol.records.murmur2 import partition_for_key

REMEMBERED_KEYS = 16_384

_partition_for_key = lru_cache(REMEMBERED_KEYS)(partition_for_key)


class TopicQueues:
    """The queues of one topic's partitions, and the choice among them."""

    def __init__(self, topic: str, queues: Sequence[PartitionQueue], partitioner: Partitioner, start: int) -> None:
        self.topic = topic
        self.queues = list(queues)
        self._function: ChoosePartition | None = partitioner if callable(partitioner) else None
        self._is_sticky = partitioner == "sticky"
        self._turn = start
        self._sticky = self._next()

    def choose(self, key: bytes | None, value: bytes | None, size_bytes: int, batch_size: int) -> PartitionQueue:
        """The queue for a record of about `size_bytes` of which nobody says where it is to go.

        Raises ValueError for a partition that does not exist, where a function says so.
        """
        if self._function is not None:
            return self.given(self._function(self.topic, key, value, len(self.queues)))
        if key is not None:
            return self.queues[_partition_for_key(key, len(self.queues))]
        if not self._is_sticky:
            return self._next()
        batch = self._sticky.open
        if batch is None or batch.size_bytes + size_bytes > batch_size:
            self._sticky = self._next()
        return self._sticky

    def given(self, partition: int) -> PartitionQueue:
        """That of a partition. Raises ValueError where it does not exist."""
        if not 0 <= partition < len(self.queues):
            raise ValueError(f"topic {self.topic} has partitions 0 to {len(self.queues) - 1}, not {partition}")
        return self.queues[partition]

    def _next(self) -> PartitionQueue:
        for _ in self.queues:
            self._turn = (self._turn + 1) % len(self.queues)
            if self.queues[self._turn].leader != NO_LEADER:
                break
        return self.queues[self._turn]
