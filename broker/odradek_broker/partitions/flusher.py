"""Bring what was appended to stable storage, and commit it.

Group commit: while one flush of a log is with a worker, all that is appended meanwhile waits for the next one, which
covers it whole. So a log is never flushed twice at a time, and the busier it is the more a flush covers.

log.flush.policy=sync (the default) commits what is flushed; =interval commits at once and leaves the flushing to the
operating system, as Kafka does. Then a sync that fails is about records that were acknowledged: the data directory
remembers, at once, that its page cache may have lost some of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

import trio

from odradek_broker.log.failures import LogFailed

if TYPE_CHECKING:
    from odradek_broker.log.flush import FlushPlan
    from odradek_broker.log.log import Log
    from odradek_broker.ports.workers import Workers

logger = logging.getLogger(__name__)


class Flushed(Protocol):
    """A partition, which is told what has become of its log."""

    @property
    def log(self) -> Log: ...

    def advance(self) -> None: ...

    def flushed(self) -> None: ...

    def log_failed(self) -> None: ...


class Flusher:
    """One for a broker."""

    def __init__(self, workers: Workers, *, sync: bool, doubt_caches: Callable[[], None]) -> None:
        """`doubt_caches`: blocks, raises OSError, is called by a worker's thread."""
        self._workers = workers
        self.syncs = sync
        """Whether what is committed has to be on stable storage."""
        self._doubt_caches = doubt_caches
        self._flushing: set[Flushed] = set()
        self._idle = trio.Event()
        self._idle.set()

    def written(self, partition: Flushed) -> None:
        """Something was appended: see that it is committed."""
        if self.syncs:
            self.flush_soon(partition)
            return
        partition.advance()
        log = partition.log
        if log.owes_files or log.log_end_offset - log.flushed_offset >= log.config.flush_messages:
            self.flush_soon(partition)

    def flush_soon(self, partition: Flushed) -> None:
        if partition not in self._flushing:
            if not self._flushing:
                self._idle = trio.Event()
            self._flushing.add(partition)
            self._begin(partition)

    async def wait_idle(self) -> None:
        """Return when no worker has anything of a log in its hands."""
        await self._idle.wait()

    def _begin(self, partition: Flushed) -> None:
        try:
            plan = partition.log.begin_flush()
        except (OSError, LogFailed) as error:
            self._fail(partition, error)
        else:
            self._workers.submit(partial(self._sync, plan), lambda error: self._end(partition, plan, error))

    def _sync(self, plan: FlushPlan) -> None:
        try:
            plan.sync()
        except OSError:
            self.sync_failed()
            raise

    def sync_failed(self) -> None:
        """Write down what that means for the next start. Blocks."""
        if self.syncs:
            return  # what was not synced was not acknowledged
        try:
            self._doubt_caches()
        except OSError as error:
            logger.error("cannot write down that the page cache may have lost something: %s", error)

    def _end(self, partition: Flushed, plan: FlushPlan, error: Exception | None) -> None:
        log = partition.log
        try:
            if error is not None:
                raise error
            log.end_flush(plan)
        except Exception as failure:
            self._fail(partition, failure)
            return
        partition.flushed()
        if log.flushed_offset < log.log_end_offset:
            self._begin(partition)
        else:
            self._forget(partition)

    def _fail(self, partition: Flushed, error: Exception) -> None:
        log = partition.log
        if not log.is_closed:
            log.fail(f"cannot flush: {error}")
            logger.error("%s is out of use until the next start: %s", partition, log.failed)
        partition.log_failed()
        self._forget(partition)

    def _forget(self, partition: Flushed) -> None:
        self._flushing.discard(partition)
        if not self._flushing:
            self._idle.set()
