"""Reading a range of records again, and doing with them what has to be done: live offsets stay where they are.

    async with Producer(bootstrap) as producer:
        await replay(bootstrap, {TopicPartition("orders.dead", 0): Span(0)}, SendAgain(producer))

A replay ends: at the end of each span, or where the partition ended when it began. So it may send to the topic that it
reads from.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Unpack

from odradek.consumer import Consumer
from odradek.consumer.config import ConsumerOptions
from odradek.consumer.dead_letters import dead_letter, own_headers
from odradek.errors import OdradekError
from odradek.lag import Span
from odradek.producer import Producer
from odradek.protocol.messages.count_records import TO_THE_END
from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Record

Raw = Record[bytes | None, bytes | None]

POLL_S = 0.2


class NoDeadLetter(OdradekError):
    """A record does not say where it is from, and nobody has said where it is to go."""


class SendAgain:
    """Sends records to a topic, or where none is named dead letters to the topic that they are from.

    Key, value and headers are as they were before the record was given up; the time is that of sending. The producer
    says what was not delivered, when it is flushed or left.
    """

    def __init__(self, producer: Producer, topic: str | None = None) -> None:
        self._producer = producer
        self._topic = topic

    async def __call__(self, record: Raw) -> None:
        """Raises NoDeadLetter."""
        await self._producer.send(self.target(record), record.value, key=record.key, headers=own_headers(record))

    def target(self, record: Raw) -> str:
        """The topic that a record goes to. Raises NoDeadLetter."""
        if self._topic is not None:
            return self._topic
        letter = dead_letter(record)
        if letter is None:
            raise NoDeadLetter(f"{record.topic_partition} at offset {record.offset} does not say where it is from")
        return letter.partition.topic


async def replay(
    bootstrap: str | Sequence[str],
    spans: Mapping[TopicPartition, Span],
    handle: Callable[[Raw], Awaitable[None]],
    **options: Unpack[ConsumerOptions],
) -> dict[TopicPartition, int]:
    """Hand each record of these spans to `handle`, one at a time, in the order of their partitions; return how many.

    `options` are those of a consumer. It is in no group, and commits nothing. Raises what reading and handling raise.
    """
    counts = dict.fromkeys(spans, 0)
    async with Consumer(bootstrap, **options) as consumer:
        await consumer.assign(list(spans))
        begins, ends = await consumer.beginning_offsets(*spans), await consumer.end_offsets(*spans)
        for partition, span in spans.items():
            begin = min(max(span.begin, begins[partition]), ends[partition])
            ends[partition] = ends[partition] if span.end == TO_THE_END else min(span.end, ends[partition])
            consumer.seek(partition, begin)
        while True:
            over = [each for each in ends if (consumer.position(each) or 0) >= ends[each]]
            consumer.pause(*over)
            for partition in over:
                del ends[partition]
            if not ends:
                return counts
            for record in await consumer.poll(timeout_s=POLL_S):
                if record.offset < ends.get(record.topic_partition, 0):
                    await handle(record)
                    counts[record.topic_partition] += 1
