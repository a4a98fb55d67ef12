"""Blocking work beside the Trio thread, for what is done thousands of times a second and must not take long to begin.

`trio.to_thread.run_sync` is made for long work: measured around an fdatasync of a fifth of a millisecond it took as
long again for itself. Here a job costs a queue on the way there and a callback on the way back, and no task waits.

Where there is eventfd (Linux) the way back is one write and one read of eight bytes. Trio's own (`run_sync_soon`) sends
to a pair of sockets, and looks twice for what is there, with room for 64 KiB.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections import deque
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


class _Doorbell:
    """Wakes the loop from other threads; several rings before it wakes are one."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def ring(self) -> None:
        os.eventfd_write(self._descriptor, 1)

    async def wait(self) -> None:
        await trio.lowlevel.wait_readable(self._descriptor)
        os.eventfd_read(self._descriptor)

    def __del__(self) -> None:
        """Not before nobody can ring any more: the number is another file's then."""
        os.close(self._descriptor)


class ThreadWorkers:
    """Threads of this process, started when they are needed. Made inside of `trio.run`."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._jobs: queue.SimpleQueue[tuple[Job, Done] | None] = queue.SimpleQueue()
        self._ended: deque[tuple[Done, Exception | None]] = deque()
        """To be told."""
        self._at_work = 0
        self._threads: list[threading.Thread] = []
        self._token = trio.lowlevel.current_trio_token()
        self._doorbell = _Doorbell() if hasattr(os, "eventfd") else None

    def submit(self, job: Job, done: Done) -> None:
        self._at_work += 1
        if self._at_work > len(self._threads) < self._count:
            if not self._threads and self._doorbell is not None:
                trio.lowlevel.spawn_system_task(self._listen, self._doorbell)
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
            self._ended.append((done, error))
            if self._doorbell is not None:
                self._doorbell.ring()
                continue
            try:
                self._token.run_sync_soon(self._tell_all)
            except trio.RunFinishedError:
                return

    async def _listen(self, doorbell: _Doorbell) -> None:
        while True:
            await doorbell.wait()
            self._tell_all()

    def _tell_all(self) -> None:
        for _ in range(len(self._ended)):  # who ends meanwhile rings again
            self._tell(*self._ended.popleft())

    def _tell(self, done: Done, error: Exception | None) -> None:
        self._at_work -= 1
        try:
            done(error)
        except Exception:  # raised into Trio's machinery, it would end the process without a word about where
            logger.exception("a job's end could not be told")
