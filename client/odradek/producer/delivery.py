"""What becomes of one record: whoever awaits it waits for the one event of its batch, made only when somebody does."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

import trio
from msgspec import Struct

from odradek.producer.queue import Batch


class Delivered(NamedTuple):
    """Where an acknowledged record is. With acks=0 the offset is -1, as nobody says."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds; the broker's own where the topic has log append time."""


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
