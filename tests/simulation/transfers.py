"""Programs that use transactions: transfers write one value to two topics. A copier (copiers.py) makes a third of one.

Each program dies now and then, sometimes so that nobody ends what it has open, and takes up its transactional id again,
sometimes while the one before is still at work.
What it was told of each transfer is noted; what readers of committed records are given is held against what is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import Enum
from random import Random
from typing import Any

import trio
from clients import AGAIN_S, POLL_S, REQUEST_TIMEOUT_MS
from msgspec import Struct
from scene import GROUP_OFFSETS, Scene

from odradek import Consumer, Producer, TopicPartition
from odradek.errors import OdradekError
from odradek.producer.transaction_scope import Outcome as End
from odradek.producer.transaction_scope import Transaction

DEBIT, CREDIT, COPY = "debit", "credit", "copy"
TOPICS = (DEBIT, CREDIT, COPY)
PARTITIONS = 2
TRANSACTION_TIMEOUT_MS = 6_000
DELIVERY_TIMEOUT_MS = 20_000
GIVES_UP, TAKES_TOO_LONG, DIES_AT_ONCE, IS_OVERTAKEN = 0.3, 0.05, 0.4, 0.1
LONGEST_REST_S, LONGEST_LIFE_S = 0.3, 6.0
SUCCESSORS_TRANSFERS = 3
PIECE_BYTES = 1
"""Of a partition in an answer: so that each is a single batch."""


class Outcome(Enum):
    COMMITTED = "committed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"


class Transfer(Struct):
    """One value, that is in both topics or in none."""

    value: bytes
    outcome: Outcome = Outcome.UNKNOWN


class ChangeOfMind(Exception):
    """A program gives up what it has done."""


def producer_of(scene: Scene, transactional_id: str, random: Random) -> Producer:
    """One that dies at once leaves its transaction open, until the id is used again, or its time is over."""
    return Producer(
        scene.world.bootstrap,
        transactional_id=transactional_id,
        transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
        close_timeout_ms=1 if random.random() < DIES_AT_ONCE else 5_000,
        surroundings=scene.world.client(),
    )


class Teller:
    """Makes transfers, until it is told to stop."""

    def __init__(self, scene: Scene, name: str, random: Random) -> None:
        self.transfers: list[Transfer] = []
        self._scene = scene
        self._name = name
        self._random = random

    async def run(self, until: trio.Event) -> None:
        while not until.is_set():
            try:
                with trio.move_on_after(self._random.uniform(1.0, LONGEST_LIFE_S)):
                    async with producer_of(self._scene, self._name, self._random) as producer:
                        while not until.is_set():
                            if self._random.random() < IS_OVERTAKEN:
                                await self._be_overtaken(producer)
                            else:
                                await self._transfer(producer)
                            await trio.sleep(self._random.uniform(0, LONGEST_REST_S))
            except OdradekError as error:
                self._scene.world.note(f"{self._name}: {error}")
                await trio.sleep(AGAIN_S)

    async def _transfer(self, producer: Producer) -> None:
        transfer, transaction = self._next(), None
        try:
            async with producer.transaction() as transaction:
                for topic in (DEBIT, CREDIT):
                    await self._send(producer, topic, transfer, flushes=self._random.random() < 0.5)
                if self._random.random() < TAKES_TOO_LONG:
                    await trio.sleep(TRANSACTION_TIMEOUT_MS / 1000)
                if self._random.random() < GIVES_UP:
                    raise ChangeOfMind
        except ChangeOfMind:
            pass
        finally:
            self._ended(transfer, transaction, "transfer")

    async def _be_overtaken(self, producer: Producer) -> None:
        """Another producer of the id begins while a transaction is open, and this one goes on as if nothing were."""
        transfer, transaction, another = self._next(), None, trio.Event()
        async with trio.open_nursery() as nursery:
            try:
                async with producer.transaction() as transaction:
                    await self._send(producer, DEBIT, transfer, flushes=True)
                    nursery.start_soon(self._succeed, another)
                    await another.wait()
                    await self._send(producer, CREDIT, transfer, flushes=True)
            except OdradekError as error:
                self._scene.world.note(f"{self._name}, overtaken: {error}")
            finally:
                self._ended(transfer, transaction, "overtaken transfer")

    async def _succeed(self, has_begun: trio.Event) -> None:
        try:
            async with producer_of(self._scene, self._name, self._random) as producer:
                for _ in range(SUCCESSORS_TRANSFERS):
                    has_begun.set()
                    await self._transfer(producer)
        except OdradekError as error:
            self._scene.world.note(f"{self._name}, who overtakes: {error}")
        finally:
            has_begun.set()

    def _next(self) -> Transfer:
        transfer = Transfer(f"{self._name}-{len(self.transfers)}".encode())
        self.transfers.append(transfer)
        return transfer

    async def _send(self, producer: Producer, topic: str, transfer: Transfer, *, flushes: bool) -> None:
        await producer.send(topic, transfer.value, partition=self._random.randrange(PARTITIONS))
        if flushes:
            await producer.flush()

    def _ended(self, transfer: Transfer, transaction: Transaction | None, what: str) -> None:
        transfer.outcome = _outcome(transaction)
        self._scene.happened[f"{what} {transfer.outcome.value}"] += 1


def _outcome(transaction: Transaction | None) -> Outcome:
    if transaction is None or transaction.outcome is End.ABORTED:
        return Outcome.ABORTED
    return Outcome.COMMITTED if transaction.outcome is End.COMMITTED else Outcome.UNKNOWN


def _reader(scene: Scene, **options: Any) -> Consumer[bytes | None, bytes | None]:
    return Consumer(
        scene.world.bootstrap,
        start="earliest",
        isolation_level="read_committed",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        surroundings=scene.world.client(),
        **options,
    )


async def watch(scene: Scene) -> None:
    """Read what is committed, while it is being written, until cancelled."""
    places = [TopicPartition(topic, index) for topic in TOPICS for index in range(PARTITIONS)]
    while True:
        try:
            async with _reader(scene) as consumer:
                since_s = trio.current_time()
                await consumer.assign(places)
                while True:
                    for record in await consumer.poll(timeout_s=POLL_S):
                        place, offset = record.topic_partition, record.offset
                        scene.handed("who watches", *place, offset, record.value, since_s)
                        scene.given_as_committed("who watches", place, offset)
        except OdradekError:
            await trio.sleep(AGAIN_S)


# ------------------------------------------------------------------------------------------------------- at the end


def is_lossless(scene: Scene) -> bool:
    """Else what is torn or twice may be so by right."""
    return scene.world.invariants.is_whole(*TOPICS, GROUP_OFFSETS, "__transaction_state")


async def settle(scene: Scene, tellers: int) -> None:
    """A new producer of an id ends what the last one has left."""
    for number in range(tellers):
        while not await _is_settled(scene, f"x{number}"):  # noqa: ASYNC110 (virtual time; nobody tells)
            await trio.sleep(AGAIN_S)


async def _is_settled(scene: Scene, transactional_id: str) -> bool:
    try:
        async with producer_of(scene, transactional_id, Random(0)):
            return True
    except OdradekError:
        return False


async def copied(scene: Scene) -> None:
    """Until everything is, and nothing is open any more."""
    while is_lossless(scene) and (_missing(scene) or _open(scene)):  # noqa: ASYNC110 (virtual time; nobody tells)
        await trio.sleep(0.5)


async def read_in_pieces(scene: Scene) -> None:
    """A reader of committed records is told what of each single batch was aborted, whatever was open beside it."""
    places = [TopicPartition(topic, index) for topic in TOPICS for index in range(PARTITIONS)]
    while is_lossless(scene):
        try:
            async with _reader(scene, max_partition_fetch_bytes=PIECE_BYTES) as consumer:
                await consumer.assign(places)
                ends = await consumer.end_offsets(*places)
                while any((consumer.position(place) or 0) < end for place, end in ends.items()):
                    for record in await consumer.poll(timeout_s=POLL_S):
                        scene.given_as_committed("who reads in pieces", record.topic_partition, record.offset)
                return
        except OdradekError:
            await trio.sleep(AGAIN_S)


def judge_transfers(scene: Scene, tellers: list[Teller]) -> Iterator[str]:
    if not tellers or not is_lossless(scene):
        return
    debit, credit, copies = (visible(scene, topic) for topic in TOPICS)
    transfers = {transfer.value: transfer for teller in tellers for transfer in teller.transfers}
    for value in sorted({*debit, *credit, *copies}):
        counts = debit[value], credit[value], copies[value]
        if value not in transfers:
            yield f"{value!r} is there, and nobody has sent it"
        elif max(counts) > 1:
            yield f"{value!r} is there {counts} times"
        elif counts[0] != counts[1]:
            yield f"torn-txn: {value!r} is in {DEBIT} {counts[0]} times, in {CREDIT} {counts[1]} times"
        elif counts[0] != counts[2]:
            yield f"{value!r} is in {DEBIT} {counts[0]} times, and was copied {counts[2]} times"
        elif transfers[value].outcome is Outcome.ABORTED:
            yield f"aborted-read: {value!r} was aborted, and is there"
    for transfer in transfers.values():
        if transfer.outcome is Outcome.COMMITTED and not debit[transfer.value]:
            yield f"lost-write: {transfer.value!r} was committed, and is not there"


def visible(scene: Scene, topic: str) -> Counter[bytes]:
    """All that is committed in both senses, by value."""
    found: Counter[bytes] = Counter()
    invariants = scene.world.invariants
    known = invariants.decided.topics[topic]
    for index in known.partitions:
        key = known.topic_id, index
        committed = invariants.committed.get(key)
        for batch in () if committed is None else list(committed.batches):
            ended = committed.stability.end_of(batch) if committed is not None else None
            if batch.is_transactional and not batch.is_control and ended is not None and ended.committed:
                found.update(content.value or b"" for content in invariants.contents.of(key, batch))
    return found


def _missing(scene: Scene) -> bool:
    return visible(scene, DEBIT) != visible(scene, COPY)


def _open(scene: Scene) -> bool:
    invariants = scene.world.invariants
    known = [invariants.decided.topics[name] for name in TOPICS]
    found = [invariants.committed.get((topic.topic_id, index)) for topic in known for index in topic.partitions]
    return any(each is not None and each.stability.is_any_open for each in found)
