"""One decision at a time, durable before it shows.

A decision is made on the image as it is; its records are appended to the journal and synced in a worker thread, and
only then replayed, handed to the broker in this process, told to those that follow, and answered. So an image never
holds what a crash could take back. Who is cancelled in the midst of it gets no answer, but the decision stands.

What grows with a request or with the cluster is not done on the loop: what an administrator asks for is decided by a
worker (an image never changes, so it may be read there), and so is the replaying of records. One such request is
decided at a time; the others queue for the lock, in order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import trio
from msgspec import Struct

from odradek_broker.controller.frame import frame
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay
from odradek_broker.controller.result import ControllerResult
from odradek_broker.controller.tail import MetadataTail
from odradek_broker.log.failures import LogFailed
from odradek_broker.metadata.client import JournalOver, JournalUnavailable
from odradek_broker.metadata.witnesses import Witnesses

if TYPE_CHECKING:
    from odradek_broker.controller.journal import Journal
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.workers import Workers

logger = logging.getLogger(__name__)

R = TypeVar("R")

OnImage: TypeAlias = Callable[[MetadataImage, MetadataImage], None]
"""Gets the old image and the new one before a decision is answered; it must not wait."""

SNAPSHOT_AGAIN_S = 30.0
"""How long after a snapshot that could not be written the next one is tried."""


class Decider:
    """With one journal."""

    def __init__(self, journal: Journal, workers: Workers, clock: Clock, cluster_id: str, on_image: OnImage) -> None:
        self.image = MetadataImage(cluster_id=cluster_id)
        self.tail = MetadataTail(0)
        self.witnesses = Witnesses()
        self.journal = journal
        self.journal_over = trio.Event()
        """Nothing more can be written to it."""
        self.is_stopping = False
        self._workers = workers
        self._clock = clock
        self._on_image = on_image
        self._lock = trio.Lock()
        self._being_written: list[Struct] = []
        self._news = trio.Event()
        self._snapshot_due = trio.Event()

    async def load(self) -> None:
        """Replay the journal. `on_image` is not called. Raises OSError, ProtocolError."""
        self.image = await self._workers.run(self._replay_journal)

    async def begin(self, records: list[Struct]) -> None:
        """Complete what was loaded. `on_image` is not called. Raises JournalUnavailable."""
        if records:
            self.image, _ = await self._write(self.image, records)
        self.tail = MetadataTail(self.image.offset + 1)
        if self.journal.wants_snapshot:
            self._snapshot_due.set()

    def stop(self) -> None:
        """Whoever follows is to look elsewhere."""
        self.is_stopping = True
        self._news.set()

    async def wait_for(self, offset: int) -> None:
        """Return once that record is there, or when it stops."""
        while self.image.offset < offset and not self.is_stopping:
            await self._news.wait()

    async def decide(self, decision: Callable[[MetadataImage], ControllerResult[R]], *, is_long: bool = False) -> R:
        """`is_long`: the decision takes a while, and a worker is to make it. Raises JournalUnavailable."""
        if self.witnesses.are_awaited:
            await self.witnesses.hear()
        async with self._lock:
            decide = partial(decision, self.image)
            result = await self._workers.run(decide) if is_long else decide()
            if result.records:
                old = self.image
                self.image, frames = await self._write(old, result.records)
                self.tail.add(old.offset + 1, frames)
                self._on_image(old, self.image)
                self._news.set()
                self._news = trio.Event()
                if self.journal.wants_snapshot:
                    self._snapshot_due.set()
            return result.response

    def answer_at_once(
        self, decision: Callable[[MetadataImage], ControllerResult[R]], is_touched: Callable[[Struct], bool]
    ) -> R | None:
        """What a decision that changes nothing answers, without waiting for its turn; None where it has to wait.

        `is_touched`: whether it may be another one once that record is there.
        """
        if self.witnesses.are_awaited or self.journal_over.is_set() or any(map(is_touched, self._being_written)):
            return None
        result = decision(self.image)
        return None if result.records else result.response

    async def write_snapshots(self) -> None:
        """Whenever one is due. Decisions wait for its beginning and its end only, which are short."""
        while True:
            await self._snapshot_due.wait()
            self._snapshot_due = trio.Event()
            if not self.journal.wants_snapshot:
                continue
            try:
                async with self._lock:
                    if self.journal_over.is_set():
                        return  # it may have more in it than the image
                    write = await self._workers.run(partial(self.journal.begin_snapshot, self.image))
                await self._workers.run(write)
                async with self._lock:
                    await self._workers.run(self.journal.end_snapshot)
            except (OSError, LogFailed) as error:
                logger.error("cannot write a snapshot of the metadata: %s", error)
                if isinstance(error, LogFailed):
                    self.journal_over.set()
                await trio.sleep(SNAPSHOT_AGAIN_S)

    async def _write(self, image: MetadataImage, records: list[Struct]) -> tuple[MetadataImage, list[bytes]]:
        """The image with these records, and the records as followers are told them, once they are durable.

        They are replayed first: what does not fit would end every controller that reads the journal from then on.
        """
        if self.journal_over.is_set():
            raise JournalOver("the journal is over")
        now_ms = self._clock.now_ms()

        def write() -> tuple[MetadataImage, list[bytes]]:
            new, frames = replay(image, records), [frame(record) for record in records]
            last_offset = self.journal.append(records, now_ms)
            assert new.offset == last_offset
            return new, frames

        self._being_written = records
        try:
            return await self._workers.run(write)
        except (OSError, LogFailed) as error:
            logger.error("cannot write %d metadata records: %s", len(records), error)
            if isinstance(error, LogFailed):
                self.journal_over.set()
                raise JournalOver(str(error)) from error
            raise JournalUnavailable(str(error)) from error
        finally:
            self._being_written = []

    def _replay_journal(self) -> MetadataImage:
        image = self.image
        for entry in self.journal.replay():
            image = replay(image, entry.records, entry.last_offset)
        return image
