"""Records of several partitions in the order of their times, as far as that can be known."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heapreplace

from odradek import TopicPartition
from odradek_cli.filters import Raw

QUEUED_RECORDS = 10_000
"""A partition that is so far ahead of the others in time is paused until they have caught up."""


class Merge:
    """A record is given out when no partition that still has a backlog could come up with an older one."""

    def __init__(self, ends: dict[TopicPartition, int]) -> None:
        """`ends`: where the backlog of each partition ends; 0 where it has none."""
        self._ends = ends
        self._queues: dict[TopicPartition, deque[Raw]] = {partition: deque() for partition in ends}
        self.behind = {partition for partition, end in ends.items() if end > 0}
        self.only = next(iter(ends)) if len(ends) == 1 else None
        """The partition, where there is no other."""

    def add(self, partition: TopicPartition, records: Sequence[Raw]) -> None:
        """Records of one partition, as they follow on those before."""
        self._queues[partition].extend(records)
        self.reached(partition, records[-1].offset + 1)

    def reached(self, partition: TopicPartition, position: int | None) -> None:
        """A partition has been read so far; at its end it is waited for no longer."""
        if position is not None and position >= self._ends[partition]:
            self.behind.discard(partition)

    def crowded(self) -> list[TopicPartition]:
        return [partition for partition, queue in self._queues.items() if len(queue) >= QUEUED_RECORDS]

    def take(self) -> list[Raw]:
        """All that can be given out now."""
        if self.only is not None:
            queue = self._queues[self.only]
            taken = list(queue)
            queue.clear()
            return taken
        return self._merged()

    def _merged(self) -> list[Raw]:
        taken: list[Raw] = []
        if not all(self._queues[partition] for partition in self.behind):
            return taken
        fronts = [(queue[0].timestamp, partition) for partition, queue in self._queues.items() if queue]
        heapify(fronts)
        while fronts:
            partition = fronts[0][1]
            queue = self._queues[partition]
            taken.append(queue.popleft())
            if queue:
                heapreplace(fronts, (queue[0].timestamp, partition))
            elif partition in self.behind:
                break
            else:
                heappop(fronts)
        return taken
