"""Records that cannot be processed: attempts, a delay between them, and a place for those that fail for good.

    await process(consumer, handle, attempts=3, delay_ms=1_000, give_up=DeadLetterTopic(producer, "orders.dead"))

A record that fails is tried again after a delay that doubles; meanwhile others go on, and the consumer keeps its place
in the group. When the attempts are used up the record goes to `give_up`; without `give_up` the failure is raised.
Nothing from the first unfinished record of a partition on is committed, be it that it waits, or that a scope was left
in the midst of it. Cancellation is never an attempt.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from odradek.consumer.unfinished import Order, Unfinished
from odradek.errors import SerializationFailed
from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Record

if TYPE_CHECKING:
    from odradek.consumer.consumer import Consumer

logger = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

GiveUp = Callable[[Record[bytes | None, bytes | None], Exception, int], Awaitable[None]]
"""(the record as bytes, the last failure, attempts made)."""


async def process(
    consumer: Consumer[K, V],
    handle: Callable[[Record[K, V]], Awaitable[None]],
    *,
    attempts: int = 3,
    delay_ms: float = 1_000,
    give_up: GiveUp | None = None,
    order: Order = "none",
    max_waiting: int = 1_000,
) -> None:
    """Hand each record to `handle`, one at a time, for ever.

    A record that is no valid key or value fails at once, without attempts. `order`: what stands behind a record that
    waits: nothing, the records of its partition with its key, or all of its partition. While `max_waiting` records are
    not done with, no more are read.

    Raises what the last attempt raised where there is no `give_up`, what `give_up` raises, and what reading raises.
    """
    if attempts < 1 or max_waiting < 1:
        raise ValueError("at least one attempt, and room for one record")
    unfinished = Unfinished(attempts, delay_ms, order, consumer.encode)
    unfinished.take_over(consumer.keep_from_committing(unfinished))
    reading = _Reading(consumer, unfinished, max_waiting, give_up)
    for unreadable in unfinished.held():
        await reading.give_up(unreadable)
    newest: Record[K, V] | None = None
    while True:
        if (record := newest or unfinished.next(trio.current_time()) or await reading.read()) is None:
            continue
        failure = await _attempt(record, handle, unfinished.attempts_at(record))
        if failure is None:
            unfinished.done(record)
        elif unfinished.failed(record, trio.current_time()):
            if give_up is None:
                raise failure
            logger.warning("%s at %d given up: %s", record.topic_partition, record.offset, failure)
            await give_up(consumer.encode(record), failure, attempts)
            unfinished.done(record)
        # However long those take that wait, others have their turn, and the group sees that we go on.
        newest = None if unfinished.is_empty else await reading.read(patience_s=0.0)


async def _attempt(
    record: Record[Any, Any], handle: Callable[[Record[Any, Any]], Awaitable[None]], made: int
) -> Exception | None:
    """Why it failed, or None where it went well."""
    try:
        await handle(record)
    except Exception as error:  # whatever the program's own code raises is a failed attempt
        logger.debug("%s at %d: attempt %d: %r", record.topic_partition, record.offset, made + 1, error)
        return error
    return None


class _Reading:
    """Reads one more record, as long as there is room for it."""

    def __init__(
        self, consumer: Consumer[Any, Any], unfinished: Unfinished, max_waiting: int, give_up: GiveUp | None
    ) -> None:
        self._consumer = consumer
        self._unfinished = unfinished
        self._max_waiting = max_waiting
        self._give_up = give_up
        self._paused: set[TopicPartition] = set()
        """By us, not by the program."""

    async def read(self, patience_s: float | None = None) -> Record[Any, Any] | None:
        """A record that may be tried at once; None where it stands in a line, none came, or one that waits is due."""
        self._pause_what_has_to_wait()
        due = self._unfinished.next_due
        if patience_s is None and due is not None:
            patience_s = max(0.0, due - trio.current_time())
        try:
            if patience_s is None:
                records = [await anext(self._consumer)]
            else:
                records = await self._consumer.poll(1, patience_s)
        except SerializationFailed as failure:
            if self._give_up is None or failure.record is None:
                raise
            self._unfinished.hold(failure)
            await self.give_up(failure)
            return None
        for record in records:
            if self._unfinished.take_in_hand(record):
                return record
            self._unfinished.take(record)
        return None

    async def give_up(self, failure: SerializationFailed) -> None:
        """What is held since it cannot be read; raises the failure where there is no place for it."""
        assert failure.record is not None
        if self._give_up is None:
            raise failure
        await self._give_up(failure.record, failure, 0)
        self._unfinished.release(failure.record)

    def _pause_what_has_to_wait(self) -> None:
        """All partitions where there is no room; where the order of a partition counts, those where something waits."""
        if self._unfinished.is_empty and not self._paused:
            return
        ours, paused = set(self._consumer.assignment), set(self._consumer.paused)
        is_full = len(self._unfinished) >= self._max_waiting
        waits = {each for each in ours if is_full or self._unfinished.stops(each)}
        self._consumer.resume(*((self._paused & ours) - waits))
        self._consumer.pause(*(waits - paused))
        self._paused = (self._paused & waits) | (waits - paused)
