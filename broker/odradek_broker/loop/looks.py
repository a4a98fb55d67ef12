"""Long looks into batches and messages of a stranger: in a worker, and no more than AT_ONCE of them at a time.

What one look costs has its bound (log/raw_batch.py, protocol/codec.py); how many there are is up to whoever asks. So
they queue, in order: neither the memory that they take together nor their share of the processor grows with the
number of those who ask. Each thread that computes lets the loop wait for five milliseconds whenever that has called
the system.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import trio

if TYPE_CHECKING:
    from odradek_broker.ports.workers import Workers

T = TypeVar("T")

AT_ONCE = 2


class Looks:
    """One for a broker."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._turns = trio.Semaphore(AT_ONCE)

    async def look(self, job: Callable[[], T]) -> T:
        """What the job returns, once its turn has come."""
        async with self._turns:
            return await self._workers.run(job)
