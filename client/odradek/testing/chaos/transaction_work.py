"""Programs that use transactions: transfers between topics, and a copy that reads, writes and commits in one.

A teller writes one value to two topics, and sometimes reads within its transaction; a copier copies one of them to a
third. Now and then a program changes its mind, or takes longer than its transaction may, or dies. What it was told, and
what readers of committed records see, goes into the history.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from random import Random

import trio

from odradek.admin import Admin
from odradek.batches import exactly_once
from odradek.consumer import Consumer
from odradek.consumer.config import GroupProtocol
from odradek.errors import EndedBy, OdradekError, ProducerFenced
from odradek.network import Surroundings
from odradek.producer import Producer
from odradek.producer.transaction_scope import Outcome as End
from odradek.producer.transaction_scope import Transaction
from odradek.protocol.topic_partition import TopicPartition
from odradek.security import NO_SECURITY, Security
from odradek.testing.chaos.history import LAST_WRITER, Committed, History, Outcome, Read, Transfer

DEBIT, CREDIT, COPY = "chaos", "chaos-credit", "chaos-copy"
TOPICS = (DEBIT, CREDIT, COPY)
COPIERS = "chaos-copiers"
REQUEST_TIMEOUT_MS, DELIVERY_TIMEOUT_MS, TRANSACTION_TIMEOUT_MS = 3_000, 30_000, 10_000
SESSION_MS, HEARTBEAT_MS = 6_000, 500
GIVES_UP, READS, IS_SLOW, TAKES_TOO_LONG = 0.2, 0.3, 0.3, 0.002
SLOW_S = 1.0
SHORTEST_LIFE_S, LONGEST_LIFE_S = 3.0, 20.0
POLL_S, LOOK_S, AGAIN_S, ASK_EVERY_S = 0.3, 0.1, 0.5, 0.2
BATCH = 50
PROTOCOLS: tuple[GroupProtocol, ...] = ("classic", "consumer")
"""Of copiers' lives: a group migrates while members are there."""

Records = Consumer[bytes | None, bytes | None]


class ChangeOfMind(Exception):
    """A program gives up what it has done."""


class TransactionWork:
    """All programs of one run."""

    def __init__(
        self,
        bootstrap: str,
        partitions: int,
        history: History,
        now_s: Callable[[], float],
        seed: int,
        surroundings: Callable[[], Surroundings] = Surroundings,
    ) -> None:
        self._bootstrap = bootstrap
        self._partitions = partitions
        self._history = history
        self._now_s = now_s
        self._random = Random(f"transactions {seed}")
        self.security: Security = NO_SECURITY
        """As whom its clients connect."""
        self._surroundings = surroundings
        self._is_over = False

    # ----------------------------------------------------------------------------------------------------- transfers

    async def transfer(self, program: str, transfers_per_s: float, until: trio.Event) -> None:
        """Life after life, until told."""
        numbers = itertools.count()
        for life in itertools.count():
            try:
                with trio.move_on_after(self._life_s()):
                    async with self._producer(program) as producer, self._reader() as reader:
                        await reader.assign(self._places())
                        while not until.is_set():
                            await self._one_transfer(producer, reader, program, life, next(numbers))
                            await trio.sleep(self._random.expovariate(transfers_per_s))
            except OdradekError:
                await trio.sleep(AGAIN_S)
            if until.is_set():
                return

    async def _one_transfer(
        self, producer: Producer, reader: Records | None, program: str, life: int, number: int
    ) -> Transfer:
        transfer = Transfer(program, life, number, self._now_s())
        self._history.transfers.append(transfer)
        transaction: Transaction | None = None
        try:
            async with producer.transaction() as transaction:
                for topic in (DEBIT, CREDIT):
                    partition, value = self._random.randrange(self._partitions), f"{program}-{number}"
                    transfer.writes.append((topic, partition, value))
                    await producer.send(topic, value.encode(), partition=partition)
                if reader is not None:
                    await self._consider(transfer, producer, reader)
                transfer.worked_s = self._now_s()
        except ChangeOfMind:
            pass
        except BaseException as error:
            transfer.error = str(error)
            raise
        finally:
            self._ended(transfer, transaction)
        return transfer

    async def _consider(self, transfer: Transfer, producer: Producer, reader: Records) -> None:
        if self._random.random() < READS:
            await producer.flush()
            records = await reader.poll(timeout_s=LOOK_S)
            transfer.reads += [(each.topic, each.partition, each.offset, _text(each.value)) for each in records]
        if self._random.random() < TAKES_TOO_LONG:
            await trio.sleep(TRANSACTION_TIMEOUT_MS / 1000 + 1)
        if self._random.random() < GIVES_UP:
            raise ChangeOfMind

    def _ended(self, transfer: Transfer, transaction: Transaction | None) -> None:
        transfer.done_s = self._now_s()
        end = End.ABORTED if transaction is None else transaction.outcome
        transfer.outcome = {End.COMMITTED: Outcome.OK, End.ABORTED: Outcome.FAIL}.get(end, Outcome.INFO)

    # ---------------------------------------------------------------------------------------------------------- copy

    async def copy(self, program: str) -> None:
        """Life after life, until cancelled."""
        numbers = itertools.count()
        for life in itertools.count():
            try:
                with trio.move_on_after(math.inf if self._is_over else self._life_s()):
                    protocol = self._random.choice(PROTOCOLS)
                    async with self._member(protocol) as consumer, self._producer(program) as producer:
                        while True:
                            await self._copy_for_a_while(consumer, producer, program, life, numbers)
            except OdradekError:
                await trio.sleep(AGAIN_S)

    async def _copy_for_a_while(
        self, consumer: Records, producer: Producer, program: str, life: int, numbers: itertools.count[int]
    ) -> None:
        """Until the program changes its mind, or something fails: then the batch is read again."""
        present: tuple[Transfer, Transaction] | None = None
        try:
            async with exactly_once(consumer, producer, max_records=BATCH) as batches:
                async for batch in batches:
                    if present is not None:
                        self._ended(*present)
                    group = consumer.health().group
                    transfer = Transfer(program, life, next(numbers), self._now_s())
                    transfer.generation = -1 if group is None else group.generation
                    self._history.transfers.append(transfer)
                    present = transfer, batches.transaction
                    for record in batch:
                        transfer.reads.append((DEBIT, record.partition, record.offset, _text(record.value)))
                        transfer.writes.append((COPY, record.partition, _text(record.value)))
                        await producer.send(COPY, record.value, partition=record.partition)
                    if not self._is_over and self._random.random() < IS_SLOW:
                        await trio.sleep(self._random.uniform(0, SLOW_S))
                    if not self._is_over and self._random.random() < GIVES_UP:
                        raise ChangeOfMind
                    transfer.worked_s = self._now_s()
        except ChangeOfMind:
            pass
        finally:
            if present is not None:
                self._ended(*present)

    # ------------------------------------------------------------------------------------------------------- onlookers

    async def watch(self, name: str) -> None:
        """Read what is committed from the beginning on, until cancelled."""
        for life in itertools.count():
            try:
                async with self._reader() as consumer:
                    await consumer.assign(self._places())
                    while True:
                        await self._poll(consumer, f"{name}.{life}", final=False)
            except OdradekError:
                await trio.sleep(AGAIN_S)

    async def ask(self) -> None:
        """How far the copiers' group is, until cancelled."""
        while True:
            try:
                async with self._admin() as admin:
                    while True:
                        sent_s = self._now_s()
                        found = await admin.group_offsets(COPIERS)
                        self._history.committed += [
                            Committed(COPIERS, *place, committed.offset, sent_s, self._now_s())
                            for place, committed in found.items()
                        ]
                        await trio.sleep(ASK_EVERY_S)
            except OdradekError:
                await trio.sleep(AGAIN_S)

    # ------------------------------------------------------------------------------------------------------- the end

    async def finish(self, tellers: list[str]) -> bool:
        """End what tellers have left open, show that transactions can be made, and let copiers go on in peace.

        Whatever fails is tried again, until cancelled. False where the last writer is fenced by another though there is
        no other, nor an earlier attempt that may still be carried out.
        """
        self._is_over = True
        await self._end_transactions_of(tellers)
        numbers = itertools.count()
        for attempt in itertools.count():
            try:
                async with self._producer(LAST_WRITER) as producer:
                    for _ in range(self._partitions):
                        await self._one_transfer(producer, None, LAST_WRITER, 0, next(numbers))
                return True
            except OdradekError as error:
                if not attempt and isinstance(error, ProducerFenced) and error.by is EndedBy.NEWER_PRODUCER:
                    return False
                await trio.sleep(AGAIN_S)
        raise AssertionError

    async def _end_transactions_of(self, tellers: list[str]) -> None:
        """As a newer producer does."""
        while True:
            try:
                for program in tellers:
                    async with self._producer(program):
                        pass
                return
            except OdradekError:
                await trio.sleep(AGAIN_S)

    async def drain(self, timeout_s: float) -> bool:
        """Read everything that is committed, once all is copied. False where that does not come to be in time."""
        with trio.move_on_after(timeout_s):
            while True:
                try:
                    async with self._reader() as consumer, self._admin() as admin:
                        await consumer.assign(self._places())
                        ends = await admin.end_offsets(self._places())
                        found: list[Read] = []
                        while any((consumer.position(place) or 0) < end for place, end in ends.items()):
                            found += await self._polled(consumer, "drain", final=True)
                    if _values(found, DEBIT) == _values(found, COPY):
                        self._history.reads += found
                        return True
                except OdradekError:
                    pass
                await trio.sleep(AGAIN_S)
        return False

    async def _poll(self, consumer: Records, name: str, *, final: bool) -> None:
        self._history.reads += await self._polled(consumer, name, final=final)

    async def _polled(self, consumer: Records, name: str, *, final: bool) -> list[Read]:
        reads: dict[TopicPartition, Read] = {}
        for record in await consumer.poll(timeout_s=POLL_S):
            place = record.topic_partition
            if place not in reads:
                reads[place] = Read(name, place.partition, self._now_s(), [], [], final, place.topic)
            reads[place].offsets.append(record.offset)
            reads[place].values.append(_text(record.value))
        return list(reads.values())

    # --------------------------------------------------------------------------------------------------------- clients

    def _producer(self, program: str) -> Producer:
        return Producer(
            self._bootstrap,
            transactional_id=f"chaos-{program}",
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            linger_ms=2,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
            close_timeout_ms=self._random.choice([1, 5_000]),
            security=self.security,
            surroundings=self._surroundings(),
        )

    def _admin(self) -> Admin:
        return Admin(
            self._bootstrap,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            security=self.security,
            surroundings=self._surroundings(),
        )

    def _reader(self) -> Records:
        return Consumer(
            self._bootstrap,
            start="earliest",
            isolation_level="read_committed",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            security=self.security,
            surroundings=self._surroundings(),
        )

    def _member(self, protocol: GroupProtocol) -> Records:
        return Consumer(
            self._bootstrap,
            DEBIT,
            group=COPIERS,
            protocol=protocol,
            commit="manual",
            start="earliest",
            isolation_level="read_committed",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            security=self.security,
            surroundings=self._surroundings(),
        )

    def _places(self) -> list[TopicPartition]:
        return [TopicPartition(topic, index) for topic in TOPICS for index in range(self._partitions)]

    def _life_s(self) -> float:
        return self._random.uniform(SHORTEST_LIFE_S, LONGEST_LIFE_S)


def _values(reads: list[Read], topic: str) -> set[str]:
    return {value for read in reads if read.topic == topic for value in read.values}


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
