"""Bring what was appended to stable storage, and commit it.

Group commit: while one flush of a log is in a worker thread, all that is appended meanwhile waits for the next one,
which covers it whole. So a log is never flushed twice at a time, and the busier it is the more a flush covers.

log.flush.policy=sync (the default) commits what is flushed; =interval commits at once and leaves the flushing to the
operating system, as Kafka does.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from odradek_broker.log.failures import LogFailed

if TYPE_CHECKING:
    from odradek_broker.runtime.partition import Partition

logger = logging.getLogger(__name__)

THREADS = 8


class Flusher:
    """One for a broker."""

    def __init__(self, nursery: trio.Nursery, *, sync: bool) -> None:
        self._nursery = nursery
        self._sync = sync
        self._threads = trio.CapacityLimiter(THREADS)
        self._flushing: set[Partition] = set()

    def written(self, partition: Partition) -> None:
        """Something was appended: see that it is committed."""
        if self._sync:
            self.flush_soon(partition)
        else:
            partition.commit_up_to(partition.log.log_end_offset)

    def flush_soon(self, partition: Partition) -> None:
        if partition not in self._flushing:
            self._flushing.add(partition)
            self._nursery.start_soon(self._flush, partition)

    async def _flush(self, partition: Partition) -> None:
        log = partition.log
        try:
            while log.flushed_offset < log.log_end_offset:
                plan = log.begin_flush()
                await trio.to_thread.run_sync(plan.sync, limiter=self._threads)
                log.end_flush(plan)
                partition.commit_up_to(log.flushed_offset)
        except (OSError, LogFailed) as error:
            log.fail(f"cannot flush: {error}")
            logger.error("%s is out of use until the next start: %s", partition, log.failed)
            partition.log_failed()
        finally:
            self._flushing.discard(partition)
