"""Dead letters: records that were given up, in a topic of their own, with headers that say where they are from and why.

The names of the headers are those of Kafka's share groups (KIP-1191), so who reads one kind reads the other; only the
exception's type has one of ours. Values are text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Record

if TYPE_CHECKING:
    from odradek.producer import Producer

Headers = tuple[tuple[str, bytes | None], ...]

TOPIC, PARTITION, OFFSET = "__dlq.errors.topic", "__dlq.errors.partition", "__dlq.errors.offset"
GROUP, ATTEMPTS, MESSAGE = "__dlq.errors.group", "__dlq.errors.delivery.count", "__dlq.errors.message"
EXCEPTION = "odradek.exception"
NAMES = frozenset({TOPIC, PARTITION, OFFSET, GROUP, ATTEMPTS, MESSAGE, EXCEPTION})


class DeadLetter(Struct, frozen=True):
    """What the headers of one say."""

    partition: TopicPartition
    offset: int
    attempts: int | None
    group: str | None
    exception: str | None
    """The name of its type."""
    message: str | None


def dead_letter(record: Record[Any, Any]) -> DeadLetter | None:
    """What became of it before; None where it is no dead letter."""
    ours = [(name, value) for name, value in record.headers if name in NAMES and value is not None]
    said = {name: value.decode(errors="replace") for name, value in ours}
    try:
        return DeadLetter(
            TopicPartition(said[TOPIC], int(said[PARTITION])),
            int(said[OFFSET]),
            int(said[ATTEMPTS]) if ATTEMPTS in said else None,
            said.get(GROUP),
            said.get(EXCEPTION),
            said.get(MESSAGE),
        )
    except (KeyError, ValueError):
        return None


def own_headers(record: Record[Any, Any]) -> Headers:
    """Those that it had before it was given up."""
    return tuple(each for each in record.headers if each[0] not in NAMES)


class DeadLetterTopic:
    """Writes failed records to another topic, as `process` gives them, with headers that say where from and why."""

    def __init__(self, producer: Producer, topic: str, *, group: str | None = None) -> None:
        """`group`: whose consumer gives them up, if that is to be said too."""
        self._producer = producer
        self._topic = topic
        self._group = group

    async def __call__(self, record: Record[bytes | None, bytes | None], failure: Exception, attempts: int) -> None:
        said = {
            TOPIC: record.topic,
            PARTITION: str(record.partition),
            OFFSET: str(record.offset),
            ATTEMPTS: str(attempts),
            EXCEPTION: type(failure).__name__,
            MESSAGE: str(failure),
        }
        if self._group is not None:
            said[GROUP] = self._group
        headers = [*own_headers(record), *((name, text.encode(errors="replace")) for name, text in said.items())]
        await self._producer.send_and_wait(self._topic, record.value, key=record.key, headers=headers)
