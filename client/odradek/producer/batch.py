"""One batch of records for one partition, from its first record until it is acknowledged or given up.

States
    open        takes records
    closed      takes no more, waits for its turn; has a sequence once it has been drained for the first time
    in flight   part of a request that is not answered yet
    done        acknowledged (`base_offset`) or given up (`error`); never left again

Whoever awaits a Delivery waits for the one event of its batch, made only when somebody does.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple

import trio
from msgspec import Struct

from odradek.protocol.records.builder import BatchBuilder

if TYPE_CHECKING:
    from odradek.producer.queue import PartitionQueue

NO_TIMESTAMP = -1


class Delivered(NamedTuple):
    """Where an acknowledged record is. With acks=0 the offset is -1, as nobody says."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds; the broker's own where the topic has log append time."""


class Batch:
    """Made by a PartitionQueue."""

    __slots__ = (
        "_count",
        "_event",
        "append",
        "attempts",
        "base_offset",
        "base_sequence",
        "builder",
        "created_at",
        "error",
        "is_done",
        "last_error",
        "log_append_time",
        "payload",
        "producer_epoch",
        "producer_id",
        "queue",
        "serial",
        "size_bytes",
        "wanted",
        "watched",
    )

    def __init__(self, queue: PartitionQueue, serial: int, builder: BatchBuilder, created_at: float) -> None:
        self.queue = queue
        self.serial = serial
        """Its place in the partition's order."""
        self.builder: BatchBuilder | None = builder
        self.append = builder.append
        """(key, value, headers, timestamp in ms) -> place in the batch."""
        self.created_at = created_at
        self._count = 0
        self.size_bytes = 0
        self.wanted = False
        """Somebody waits for it: it is not to linger."""
        self.payload: bytes | bytearray | None = None
        self.attempts = 0
        self.producer_id = -1
        self.producer_epoch = -1
        self.base_sequence = -1
        self.is_done = False
        self.base_offset = -1
        self.log_append_time = NO_TIMESTAMP
        self.error: BaseException | None = None
        self.last_error: BaseException | None = None
        self.watched: set[int] | None = None
        """Records whose outcome somebody waits for, or has seen."""
        self._event: trio.Event | None = None

    def __repr__(self) -> str:
        return f"<Batch {self.queue.topic}-{self.queue.partition} of {self.count}, sequence {self.base_sequence}>"

    @property
    def count(self) -> int:
        """Records in it."""
        return self._count if self.builder is None else self.builder.count

    def complete(self, base_offset: int, log_append_time: int) -> None:
        assert not self.is_done
        self.base_offset = base_offset
        self.log_append_time = log_append_time
        self._finish()

    def fail(self, error: BaseException) -> None:
        assert not self.is_done
        self.error = error
        self._finish()

    @property
    def unwatched_count(self) -> int:
        """Records whose outcome nobody has asked for."""
        return self.count - len(self.watched or ())

    def _finish(self) -> None:
        self.is_done = True
        self._count = self.count
        self.builder = None
        del self.append
        self.payload = None
        if self._event is not None:
            self._event.set()

    async def wait(self) -> None:
        """Until it is done, in whichever way."""
        if self.is_done:
            await trio.lowlevel.checkpoint()
            return
        if self._event is None:
            self._event = trio.Event()
        await self._event.wait()


class Delivery(Struct, frozen=True, gc=False, eq=False):
    """What will become of one record: `await delivery` gives a Delivered or raises why there is none.

    It may be dropped; then a failure is raised by `flush` or at the end of the producer's scope.
    """

    _batch: Batch
    _index: int
    _timestamp: int

    @property
    def is_done(self) -> bool:
        return self._batch.is_done

    @property
    def partition(self) -> int:
        return self._batch.queue.partition

    def __await__(self) -> Generator[Any, Any, Delivered]:
        return self._wait().__await__()

    async def _wait(self) -> Delivered:
        batch = self._batch
        if batch.watched is None:
            batch.watched = set()
        batch.watched.add(self._index)
        if not batch.is_done:
            batch.queue.want(batch)
            try:
                await batch.wait()
            except BaseException:
                batch.watched.discard(self._index)
                raise
        else:
            await trio.lowlevel.checkpoint_if_cancelled()
        if batch.error is not None:
            raise batch.error
        offset = batch.base_offset + self._index if batch.base_offset >= 0 else -1
        timestamp = self._timestamp if batch.log_append_time < 0 else batch.log_append_time
        return Delivered(batch.queue.topic, batch.queue.partition, offset, timestamp)
