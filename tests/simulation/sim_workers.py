"""Blocking work takes virtual time, and is done at its end: a crash before that has not done it.

How long is drawn for each job, up to a bound for what waits for the disk (`submit`: flushes) and one for all the rest
(`run`: the journal, checkpoints, removal of files).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeVar

import trio
from in_turns import Errand

T = TypeVar("T")

SYNC_S = 0.001
WORK_S = 0.0005


class SimWorkers:
    """Workers of one life of a process."""

    def __init__(
        self, nursery: trio.Nursery, random: Random, *, longest_sync_s: float = SYNC_S, longest_work_s: float = WORK_S
    ) -> None:
        self._nursery = nursery
        self._random = random
        self._longest_sync_s = longest_sync_s
        self._longest_work_s = longest_work_s
        self._closed = False

    def submit(self, job: Callable[[], None], done: Callable[[Exception | None], None]) -> None:
        self._nursery.start_soon(self._do, job, done)

    async def run(self, job: Callable[[], T]) -> T:
        await trio.sleep(self._random.uniform(0, self._longest_work_s))
        return job()

    def close(self) -> None:
        self._closed = True

    async def _do(self, job: Callable[[], None], done: Callable[[Exception | None], None]) -> None:
        try:
            await trio.sleep(self._random.uniform(0, self._longest_sync_s))
        finally:  # in a process that dies the disk refuses, and its flusher is told so: it waits for that
            error: Exception | None = None
            try:
                job()
            except Exception as raised:
                error = raised
            if not self._closed:
                done(error)


class WaitingWorkers(SimWorkers):
    """For jobs that wait for others, as those that ask etcd do: they take as long as that takes."""

    async def run(self, job: Callable[[], T]) -> T:
        await super().run(lambda: None)
        return await Errand(job).run()
