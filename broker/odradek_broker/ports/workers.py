"""Blocking work beside the Trio thread, for what is done thousands of times a second and must not take long to begin.

`trio.to_thread.run_sync` is made for long work: measured around an fdatasync of a fifth of a millisecond it took as
long again for itself. Here a job costs a queue on the way there and a callback on the way back, and no task waits.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Protocol, TypeAlias, TypeVar

import trio

logger = logging.getLogger(__name__)

T = TypeVar("T")

Job: TypeAlias = Callable[[], None]
Done: TypeAlias = Callable[[Exception | None], None]
"""Called on the Trio thread, with what the job raised. It must not raise."""


class Workers(Protocol):
    def submit(self, job: Job, done: Done) -> None:
        """Run the job at some time soon, together with others, and then tell."""

    async def run(self, job: Callable[[], T]) -> T:
        """For longer work: return what it returns. Who is cancelled meanwhile waits for its end all the same."""

    def close(self) -> None:
        """Take no more jobs; those that were taken are done, but nobody is told any more."""


class ThreadWorkers:
    """Threads of this process, started when they are needed. Made inside of `trio.run`."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._jobs: queue.SimpleQueue[tuple[Job, Done] | None] = queue.SimpleQueue()
        self._at_work = 0
        self._threads: list[threading.Thread] = []
        self._token = trio.lowlevel.current_trio_token()

    def submit(self, job: Job, done: Done) -> None:
        self._at_work += 1
        if self._at_work > len(self._threads) < self._count:
            thread = threading.Thread(target=self._work, name=f"worker {len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put((job, done))

    async def run(self, job: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(job)

    def close(self) -> None:
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (taken := self._jobs.get()) is not None:
            job, done = taken
            error: Exception | None = None
            try:
                job()
            except Exception as raised:
                error = raised
            try:
                self._token.run_sync_soon(self._tell, done, error)
            except trio.RunFinishedError:
                return

    def _tell(self, done: Done, error: Exception | None) -> None:
        self._at_work -= 1
        try:
            done(error)
        except Exception:  # raised into Trio's machinery, it would end the process without a word about where
            logger.exception("a job's end could not be told")
