"""Records that cannot be processed: attempts, a delay between them, and a place for those that fail for good.

    await process(consumer, handle, attempts=3, delay_ms=1_000, give_up=DeadLetterTopic(producer, "orders.dead"))

A record that fails is tried again after a delay that doubles; meanwhile the consumer keeps its place in the group. When
the attempts are used up the record goes to `give_up`, and the consumer moves on; without `give_up` the failure is
raised, and as with every exception nothing of what is unfinished is committed. Cancellation is never an attempt.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from odradek.errors import SerializationFailed
from odradek.record import Record

if TYPE_CHECKING:
    from odradek.consumer.consumer import Consumer
    from odradek.producer import Producer

logger = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

LONGEST_DELAY_MS = 60_000

GiveUp = Callable[[Record[bytes | None, bytes | None], Exception, int], Awaitable[None]]
"""(the record as bytes, the last failure, attempts made)."""


class DeadLetterTopic:
    """Writes failed records to another topic, as they are, with headers that say where they are from and why.

    Headers: odradek.origin (topic-partition:offset), odradek.error (type: text), odradek.attempts.
    """

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    async def __call__(self, record: Record[bytes | None, bytes | None], failure: Exception, attempts: int) -> None:
        headers = [
            *record.headers,
            ("odradek.origin", f"{record.topic}-{record.partition}:{record.offset}".encode()),
            ("odradek.error", f"{type(failure).__name__}: {failure}".encode()),
            ("odradek.attempts", str(attempts).encode()),
        ]
        await self._producer.send_and_wait(self._topic, record.value, key=record.key, headers=headers)


async def process(
    consumer: Consumer[K, V],
    handle: Callable[[Record[K, V]], Awaitable[None]],
    *,
    attempts: int = 3,
    delay_ms: float = 1_000,
    give_up: GiveUp | None = None,
) -> None:
    """Hand each record to `handle`, for ever. A record that is no valid key or value fails at once, without attempts.

    Raises what the last attempt raised where there is no `give_up`, what `give_up` raises, and what reading raises.
    """
    if attempts < 1:
        raise ValueError("at least one attempt")
    while True:
        try:
            record = await anext(consumer)
        except SerializationFailed as failure:
            if give_up is None or failure.record is None:
                raise
            await give_up(failure.record, failure, 0)
            continue
        failed = await _attempt(record, handle, attempts, delay_ms)
        if failed is None:
            continue
        if give_up is None:
            raise failed
        logger.warning("%s-%d at %d given up: %s", record.topic, record.partition, record.offset, failed)
        await give_up(consumer.encode(record), failed, attempts)


async def _attempt(
    record: Record[Any, Any], handle: Callable[[Record[Any, Any]], Awaitable[None]], attempts: int, delay_ms: float
) -> Exception | None:
    """The last failure, or None where one attempt went well."""
    failure: Exception | None = None
    for attempt in range(attempts):
        if attempt:
            await trio.sleep(min(delay_ms * 2 ** (attempt - 1), LONGEST_DELAY_MS) / 1000)
        try:
            await handle(record)
            return None
        except Exception as error:  # whatever the program's own code raises is a failed attempt
            logger.debug("%s-%d at %d: attempt %d: %r", record.topic, record.partition, record.offset, attempt, error)
            failure = error
    return failure
