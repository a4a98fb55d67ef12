"""Writers and readers; whatever they do and see goes into the history."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Literal

import trio

from odradek.consumer import Consumer
from odradek.errors import (
    BootstrapFailed,
    DeliveryTimedOut,
    NotEnoughReplicas,
    OdradekError,
    OffsetOutOfRange,
    RecordTooLarge,
    Undelivered,
)
from odradek.network import Surroundings
from odradek.producer import Delivery, Producer
from odradek.protocol.topic_partition import TopicPartition
from odradek.security import NO_SECURITY, Security
from odradek.testing.chaos.history import LAST_WRITER, History, Outcome, Place, Read, Write

SURELY_NOT_WRITTEN = (NotEnoughReplicas, RecordTooLarge)
REQUEST_TIMEOUT_MS = 3_000
DELIVERY_TIMEOUT_MS = 60_000
TICK_S = 0.01
POLL_S = 0.5
AGAIN_S = 0.5


class Workload:
    """All clients of one run."""

    def __init__(
        self,
        bootstrap: str,
        places: Sequence[Place],
        history: History,
        now_s: Callable[[], float],
        *,
        acks: Literal["all", 0, 1],
        idempotent: bool,
        surroundings: Callable[[], Surroundings] = Surroundings,
    ) -> None:
        """`surroundings`: what each client takes from the world around it; a simulation has its own."""
        self._bootstrap = bootstrap
        self._places = places
        self._history = history
        self._now_s = now_s
        self._acks = acks
        self._idempotent = idempotent
        self.security: Security = NO_SECURITY
        """As whom its clients connect."""
        self._surroundings = surroundings

    # -------------------------------------------------------------------------------------------------------- writing

    async def write(self, name: str, records_per_s: float, until: trio.Event) -> None:
        """Send at a steady pace to all places in turn, until told; return when every record has its outcome."""
        tell, sent = trio.open_memory_channel[tuple[Write, Delivery]](math.inf)
        async with trio.open_nursery() as nursery:

            async def settle() -> None:
                async for write, delivery in sent:
                    await self._settle(write, delivery)

            nursery.start_soon(settle)
            async with self._producer() as producer:
                async with tell:
                    await self._send_all(producer, name, records_per_s, until, tell)
                with contextlib.suppress(Undelivered):  # each record's outcome is noted by itself
                    await producer.flush()

    async def write_once_more(self, timeout_s: float) -> None:
        """When all is healed: to every partition, which is to show that it is of use again."""
        writes = [
            Write(LAST_WRITER, number, partition, f"{LAST_WRITER}-{number}", self._now_s(), topic=topic)
            for number, (topic, partition) in enumerate(self._places)
        ]
        self._history.writes += writes
        with trio.move_on_after(timeout_s):
            while True:
                try:
                    async with self._producer() as producer:
                        for write in writes:
                            delivery = await self._send(producer, write)
                            if delivery is not None:
                                await self._settle(write, delivery)
                    return
                except BootstrapFailed:
                    await trio.sleep(AGAIN_S)

    def _producer(self) -> Producer:
        return Producer(
            self._bootstrap,
            acks=self._acks,
            idempotent=self._idempotent and self._acks == "all",
            linger_ms=2,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
            security=self.security,
            surroundings=self._surroundings(),
        )

    async def _send_all(
        self,
        producer: Producer,
        name: str,
        records_per_s: float,
        until: trio.Event,
        tell: trio.MemorySendChannel[tuple[Write, Delivery]],
    ) -> None:
        began, number = self._now_s(), 0
        while not until.is_set():
            due = math.floor((self._now_s() - began) * records_per_s)
            while number < due and not until.is_set():
                topic, partition = self._places[number % len(self._places)]
                write = Write(name, number, partition, f"{name}-{number}", self._now_s(), topic=topic)
                self._history.writes.append(write)
                number += 1
                delivery = await self._send(producer, write)
                if delivery is not None:
                    tell.send_nowait((write, delivery))
            await trio.sleep(TICK_S)

    async def _send(self, producer: Producer, write: Write) -> Delivery | None:
        try:
            return await producer.send(write.topic, write.value.encode(), partition=write.partition)
        except OdradekError as error:
            write.outcome, write.error, write.done_s = Outcome.FAIL, str(error), self._now_s()
            return None

    async def _settle(self, write: Write, delivery: Delivery) -> None:
        try:
            delivered = await delivery
        except DeliveryTimedOut as error:
            write.outcome, write.error = Outcome.INFO, str(error)
        except OdradekError as error:
            surely_not = isinstance(error, SURELY_NOT_WRITTEN)
            write.outcome, write.error = Outcome.FAIL if surely_not else Outcome.INFO, str(error)
        else:
            write.outcome, write.offset = Outcome.OK, delivered.offset
        write.done_s = self._now_s()

    # -------------------------------------------------------------------------------------------------------- reading

    async def read(self, name: str) -> None:
        """Read everything from the beginning on, until cancelled. A reader that breaks is followed by a fresh one."""
        for life in range(1_000_000):
            try:
                async with Consumer(
                    self._bootstrap,
                    start="earliest",
                    request_timeout_ms=REQUEST_TIMEOUT_MS,
                    security=self.security,
                    surroundings=self._surroundings(),
                ) as consumer:
                    await consumer.assign([TopicPartition(*place) for place in self._places])
                    while True:
                        await self._poll(consumer, f"{name}.{life}", final=False)
            except (OdradekError, OffsetOutOfRange):
                await trio.sleep(AGAIN_S)

    async def drain(self, timeout_s: float) -> bool:
        """When all is healed: read everything there is. False where that was not possible in time."""
        partitions = [TopicPartition(*place) for place in self._places]
        with trio.move_on_after(timeout_s):
            for life in range(1_000_000):
                try:
                    async with Consumer(
                        self._bootstrap,
                        start="earliest",
                        security=self.security,
                        surroundings=self._surroundings(),
                    ) as consumer:
                        await consumer.assign(partitions)
                        ends = await consumer.end_offsets(*partitions)
                        while any((consumer.position(each) or 0) < end for each, end in ends.items()):
                            await self._poll(consumer, f"drain.{life}", final=True)
                    return True
                except OdradekError:
                    await trio.sleep(AGAIN_S)
        return False

    async def _poll(self, consumer: Consumer[bytes | None, bytes | None], name: str, *, final: bool) -> None:
        by_place: dict[Place, Read] = {}
        for record in await consumer.poll(timeout_s=POLL_S):
            place = (record.topic, record.partition)
            read = by_place.get(place)
            if read is None:
                read = by_place[place] = Read(name, record.partition, self._now_s(), [], [], final, record.topic)
            read.offsets.append(record.offset)
            read.values.append((record.value or b"").decode(errors="replace"))
        self._history.reads += by_place.values()
