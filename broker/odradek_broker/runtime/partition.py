"""A partition that this broker keeps: its log, how far it is committed, and who waits for that.

Invariants
    The high watermark never falls and never passes the log's end.
    With log.flush.policy=sync it never passes what is on stable storage either: no consumer sees, and no acks=all
    producer is told of, a record that a power cut could take back.
    Once the log has failed nobody waits for it any longer: `wait_committed` raises LogFailed.

Everything here happens on the Trio thread; only the waiting for the disk is elsewhere (see flusher.py).
"""

from __future__ import annotations

import heapq
import itertools
import logging
from typing import TYPE_CHECKING

import trio

from odradek.protocol.errors import ErrorCode
from odradek_broker.log.failures import LogFailed
from odradek_broker.log.validation import Origin, Refused

if TYPE_CHECKING:
    from odradek_broker.log.log import Appended, Log
    from odradek_broker.ports.clock import Clock
    from odradek_broker.runtime.flusher import Flusher

logger = logging.getLogger(__name__)


class Partition:
    """Made when the broker learns that it keeps the partition; lives until the topic goes."""

    def __init__(
        self, topic: str, index: int, topic_id: bytes, log: Log, *, leader_epoch: int, flusher: Flusher, clock: Clock
    ) -> None:
        self.topic = topic
        self.index = index
        self.topic_id = topic_id
        self.log = log
        self.leader_epoch = leader_epoch
        self.is_leader = True
        self.high_watermark = log.log_end_offset
        self._flusher = flusher
        self._clock = clock
        self._waiting: list[tuple[int, int, trio.Event]] = []
        self._order = itertools.count()
        self._readers: set[trio.Event] = set()

    def __str__(self) -> str:
        return f"{self.topic}-{self.index}"

    @property
    def last_stable_offset(self) -> int:
        return self.log.last_stable_offset(self.high_watermark)

    def append(self, records: memoryview, origin: Origin = Origin.CLIENT) -> Appended | Refused:
        """Append as the leader; what the disk refuses is a KAFKA_STORAGE_ERROR and leaves the log as it was."""
        try:
            appended = self.log.append_as_leader(
                records, leader_epoch=self.leader_epoch, now_ms=self._clock.now_ms(), origin=origin
            )
        except (OSError, LogFailed) as error:
            logger.error("%s: cannot append: %s", self, error)
            return Refused(ErrorCode.KAFKA_STORAGE_ERROR, str(error))
        if not isinstance(appended, Refused):
            self._flusher.written(self)
        return appended

    def append_internal(self, batch: bytes | bytearray) -> Appended | Refused:
        """Append what this broker itself has to say."""
        return self.append(memoryview(batch), Origin.COORDINATOR)

    def become_leader(self, leader_epoch: int) -> None:
        self.leader_epoch = leader_epoch
        self.log.assign_leader_epoch(leader_epoch)

    # ------------------------------------------------------------------------------------------------------ commits

    def commit_up_to(self, offset: int) -> None:
        """Raise the high watermark, and wake those who have waited for it."""
        if offset <= self.high_watermark:
            return
        assert offset <= self.log.log_end_offset
        self.high_watermark = offset
        while self._waiting and self._waiting[0][0] < offset:
            heapq.heappop(self._waiting)[2].set()
        self.wake_readers()

    def log_failed(self) -> None:
        """Nothing more will be committed here."""
        for _, _, event in self._waiting:
            event.set()
        self._waiting.clear()
        self.wake_readers()

    async def wait_committed(self, offset: int) -> None:
        """Return once the record at `offset` is below the high watermark. Raises LogFailed."""
        if offset < self.high_watermark:
            return
        if self.log.failed is not None:
            raise LogFailed(self.log.failed)
        event = trio.Event()
        entry = (offset, next(self._order), event)
        heapq.heappush(self._waiting, entry)
        try:
            await event.wait()
        finally:
            if not event.is_set():
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)
        if offset >= self.high_watermark:
            raise LogFailed(self.log.failed or "the partition is gone")

    # ------------------------------------------------------------------------------------------------------ readers

    def add_reader(self, event: trio.Event) -> None:
        """Set the event once, when there is more to read or nothing will come any more."""
        self._readers.add(event)

    def remove_reader(self, event: trio.Event) -> None:
        self._readers.discard(event)

    def wake_readers(self) -> None:
        for event in self._readers:
            event.set()
        self._readers.clear()
