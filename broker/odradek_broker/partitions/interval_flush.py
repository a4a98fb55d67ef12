"""With log.flush.policy=interval: bring to stable storage what has lain unsynced for too long, or has become too much.
A log's first records are, too: without the file that says whose they are, nobody could believe them after a power cut.

Kafka looks for it every log.flush.scheduler.interval.ms, which by default is never, so that flush.ms alone means
nothing there. Here it is looked for every second at least.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.partitions.flusher import Flusher
    from odradek_broker.partitions.partition import Partition, Partitions

LONGEST_LOOK_MS = 1_000


class IntervalFlush:
    """One for a broker."""

    def __init__(self, context: NodeContext, partitions: Partitions, flusher: Flusher) -> None:
        self._context = context
        self._partitions = partitions
        self._flusher = flusher
        self._unsynced_since: dict[Partition, tuple[int, int]] = {}
        """Up to which offset a log was synced when that was first seen, and when."""

    async def run(self) -> None:
        if self._flusher.syncs:
            return
        while True:
            interval_ms = min(self._context.config.log_flush_scheduler_interval_ms, LONGEST_LOOK_MS)
            await trio.sleep(interval_ms / 1000)
            for partition in self.due(self._context.clock.monotonic_ms()):
                self._flusher.flush_soon(partition)

    def due(self, now_ms: int) -> list[Partition]:
        """The partitions to be flushed now. Followers are among them, whose appends are not counted one by one."""
        before, self._unsynced_since = self._unsynced_since, {}
        due = []
        for partition in self._partitions.values():
            log = partition.log
            if log.failed is not None or log.flushed_offset >= log.log_end_offset:
                continue
            flushed, since_ms = before.get(partition, (-1, now_ms))
            if flushed != log.flushed_offset:
                flushed, since_ms = log.flushed_offset, now_ms
            self._unsynced_since[partition] = flushed, since_ms
            is_old = now_ms - since_ms >= log.config.flush_ms
            if is_old or not log.says_whose_it_is or log.log_end_offset - flushed >= log.config.flush_messages:
                due.append(partition)
        return due
