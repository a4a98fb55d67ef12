"""What a log remembers of each producer that numbers its batches: the ground of idempotence and of transactions.

Invariants
    It is a function of the batches in the log alone (and of when a producer was last heard, which only decides when it
    is forgotten): replaying the log gives the same state.
    Of each producer the last BATCHES_KEPT batches of its newest epoch are known, oldest first; fewer while it
    `is_partial`, which is made good from the log when a retry asks for it.
    Open transactions are held in the order of their first offsets.

`check` decides on a batch that a client sends, `append_data` and `end_transaction` note what has been written.
Kafka: ProducerStateManager, ProducerAppendInfo, ProducerStateEntry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import NamedTuple, TypeAlias

from odradek.protocol.errors import ErrorCode
from odradek.protocol.records.batch import MAX_SEQUENCE, NO_SEQUENCE, BatchHeader
from odradek_broker.log.transaction_index import AbortedTransaction

BATCHES_KEPT = 5
NO_EPOCH = -1
NO_OFFSET = -1


class ProducerBatch(NamedTuple):
    """A batch already in the log."""

    base_sequence: int
    last_sequence: int
    base_offset: int
    last_offset: int
    timestamp: int
    """The batch's largest."""


ProducerEntry: TypeAlias = tuple[int, int, int, int, int, int, int, int]
"""What is carried of a producer from one start to the next, of its batches the last one only: its id, its epoch; that
batch's last sequence, last offset, and last offset's delta; its last timestamp, its coordinator's epoch, and the first
offset of its transaction. A plain tuple, for there may be a hundred thousand."""


NO_BATCH = ProducerBatch(NO_SEQUENCE, NO_SEQUENCE, NO_OFFSET, NO_OFFSET, -1)


class Producer:
    """One producer id. Its epoch is -1 until anything is known of it."""

    __slots__ = (
        "batches",
        "coordinator_epoch",
        "epoch",
        "heard_ms",
        "is_partial",
        "last_timestamp",
        "producer_id",
        "transaction_first_offset",
    )

    def __init__(self, producer_id: int) -> None:
        self.producer_id = producer_id
        self.epoch = NO_EPOCH
        self.batches: list[ProducerBatch] = []
        self.coordinator_epoch = NO_EPOCH
        """Of the transaction coordinator that wrote the last marker."""
        self.last_timestamp = -1
        self.transaction_first_offset = NO_OFFSET
        """Of the open transaction; -1 where none is open."""
        self.is_partial = False
        """Whether older batches may be in the log than are known here: a snapshot tells only of the last one."""
        self.heard_ms = 0
        """When it last wrote, by this broker's clock; record timestamps may be years old."""

    @property
    def last_sequence(self) -> int:
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE

    @property
    def last_offset(self) -> int:
        """The last offset of its newest batch, or -1."""
        return self.batches[-1].last_offset if self.batches else NO_OFFSET

    def move_to_epoch(self, epoch: int) -> None:
        if epoch != self.epoch:
            self.epoch = epoch
            self.batches.clear()
            self.is_partial = False

    def entry(self) -> ProducerEntry:
        """In any thread: what it says of one that changes meanwhile is not to be believed (ProducersAsOf)."""
        last = self.batches[-1:]
        _, last_sequence, base_offset, last_offset, _ = last[0] if last else NO_BATCH
        return (
            self.producer_id,
            self.epoch,
            last_sequence,
            last_offset,
            last_offset - base_offset,
            self.last_timestamp,
            self.coordinator_epoch,
            self.transaction_first_offset,
        )


class ProducersAsOf:
    """All producers as they were at one moment, for another thread, while the log goes on.

    There may be a hundred thousand, so none is copied before it changes: who is about to change one puts here what it
    was. Hence the order of looks in `__iter__`: at the producer, then here.
    """

    __slots__ = ("_before", "_producers")

    def __init__(self, producers: Iterable[Producer]) -> None:
        self._producers = list(producers)
        self._before: dict[Producer, ProducerEntry] = {}

    def __len__(self) -> int:
        return len(self._producers)

    def __iter__(self) -> Iterator[ProducerEntry]:
        before = self._before
        for producer in self._producers:
            now = producer.entry()
            yield before.get(producer, now) if before else now

    def keep(self, producer: Producer) -> None:
        """It is about to change."""
        if producer not in self._before:
            self._before[producer] = producer.entry()


class OpenTransaction(NamedTuple):
    producer_id: int
    first_offset: int


class ProducerStates:
    """All producers of one log."""

    __slots__ = ("_as_of", "_completed", "_open", "producers")

    def __init__(self, producers: Iterable[Producer] = ()) -> None:
        self.producers: dict[int, Producer] = {producer.producer_id: producer for producer in producers}
        opened = [p for p in self.producers.values() if p.transaction_first_offset >= 0]
        opened.sort(key=lambda producer: producer.transaction_first_offset)
        self._open: dict[int, int] = {p.producer_id: p.transaction_first_offset for p in opened}
        self._completed: dict[int, int] = {}
        self._as_of: list[ProducersAsOf] = []
        """What others still read of former moments."""

    def as_of_now(self) -> ProducersAsOf:
        """All of them as they are now; `let_go` when it has been read."""
        made = ProducersAsOf(self.producers.values())
        self._as_of.append(made)
        return made

    def let_go(self, as_of: ProducersAsOf) -> None:
        if as_of in self._as_of:
            self._as_of.remove(as_of)

    def check(self, header: BatchHeader) -> ProducerBatch | ErrorCode | None:
        """Decide on a data batch: None to append it, the original of a duplicate, or the error that refuses it."""
        producer = self.producers.get(header.producer_id)
        if producer is None:
            return None
        epoch, base_sequence = header.producer_epoch, header.base_sequence
        if epoch == producer.epoch:
            last_sequence = header.last_sequence
            for batch in producer.batches:
                if batch.base_sequence == base_sequence and batch.last_sequence == last_sequence:
                    return batch
            if base_sequence != next_sequence(producer.last_sequence):
                return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        elif epoch < producer.epoch:
            return ErrorCode.INVALID_PRODUCER_EPOCH
        elif base_sequence != 0 and producer.epoch != NO_EPOCH:
            return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        if producer.transaction_first_offset >= 0 and not header.is_transactional:
            return ErrorCode.INVALID_TXN_STATE
        return None

    def check_epoch(self, header: BatchHeader) -> ErrorCode | None:
        """Decide on a batch that is not numbered: its producer must not have been replaced by a newer one."""
        producer = self.producers.get(header.producer_id)
        return ErrorCode.INVALID_PRODUCER_EPOCH if producer and header.producer_epoch < producer.epoch else None

    def has_open_transaction(self, producer_id: int, epoch: int) -> bool:
        """Whether the producer has written to a transaction in that epoch, which has not ended yet."""
        producer = self.producers.get(producer_id)
        return producer is not None and producer.epoch == epoch and producer.transaction_first_offset >= 0

    def check_marker(self, producer_id: int, epoch: int, coordinator_epoch: int) -> ErrorCode | None:
        """Decide on a transaction marker: neither producer nor coordinator may be older than those heard before."""
        producer = self.producers.get(producer_id)
        if producer is None:
            return None
        if epoch < producer.epoch:
            return ErrorCode.INVALID_PRODUCER_EPOCH
        if coordinator_epoch < producer.coordinator_epoch:
            return ErrorCode.TRANSACTION_COORDINATOR_FENCED
        return None

    def append_data(
        self, producer_id: int, epoch: int, batch: ProducerBatch, is_transactional: bool, now_ms: int
    ) -> None:
        """Note a batch of records that is in the log; its first offset opens a transaction where none is open."""
        producer = self._heard(producer_id, now_ms)
        producer.move_to_epoch(epoch)
        batches = producer.batches
        batches.append(batch)
        if len(batches) > BATCHES_KEPT:
            del batches[0]
        producer.last_timestamp = batch.timestamp
        if is_transactional and producer.transaction_first_offset < 0:
            producer.transaction_first_offset = batch.base_offset
            self._open[producer_id] = batch.base_offset

    def end_transaction(
        self,
        producer_id: int,
        epoch: int,
        coordinator_epoch: int,
        marker_offset: int,
        timestamp: int,
        now_ms: int,
        *,
        committed: bool,
    ) -> AbortedTransaction | None:
        """Note a marker that is in the log; tell of the transaction where the marker aborted one."""
        producer = self._heard(producer_id, now_ms)
        producer.move_to_epoch(epoch)
        producer.coordinator_epoch = coordinator_epoch
        producer.last_timestamp = timestamp
        first_offset, producer.transaction_first_offset = producer.transaction_first_offset, NO_OFFSET
        if first_offset < 0:
            return None
        del self._open[producer_id]
        self._completed[first_offset] = marker_offset
        if committed:
            return None
        stable = next(iter(self._open.values()), marker_offset + 1)
        return AbortedTransaction(producer_id, first_offset, marker_offset, stable)

    def first_unstable_offset(self, high_watermark: int) -> int | None:
        """Where the oldest transaction begins that is open, or whose marker is not below the high watermark."""
        first = next(iter(self._open.values())) if self._open else None
        if self._completed:
            waiting = [offset for offset, marker in self._completed.items() if marker >= high_watermark]
            first = min(waiting if first is None else (first, *waiting), default=None)
        return first

    def committed_up_to(self, high_watermark: int) -> None:
        """The high watermark has risen: transactions whose marker lies before it are stable, and forgotten."""
        if self._completed:  # in the order of their markers
            done = takewhile(lambda entry: entry[1] < high_watermark, self._completed.items())
            for first_offset, _ in list(done):
                del self._completed[first_offset]

    def open_transactions(self) -> list[OpenTransaction]:
        """In the order of their first offsets."""
        return [OpenTransaction(producer_id, first_offset) for producer_id, first_offset in self._open.items()]

    def remove_expired(self, now_ms: int, expiration_ms: int) -> int:
        """Forget producers silent for so long, unless in a transaction; return how many."""
        expired = [
            producer.producer_id
            for producer in self.producers.values()
            if producer.transaction_first_offset < 0 and now_ms - producer.heard_ms >= expiration_ms
        ]
        for producer_id in expired:
            del self.producers[producer_id]
        return len(expired)

    def _heard(self, producer_id: int, now_ms: int) -> Producer:
        producer = self.producers.get(producer_id)
        if producer is None:
            producer = self.producers[producer_id] = Producer(producer_id)
        for as_of in self._as_of:
            as_of.keep(producer)
        producer.heard_ms = now_ms
        return producer


def next_sequence(sequence: int) -> int:
    """The sequence number after `sequence`; after the greatest comes 0 (and after -1, none yet, comes 0)."""
    return 0 if sequence == MAX_SEQUENCE else sequence + 1


def rewind_sequence(sequence: int, count: int) -> int:
    """The sequence number `count` before `sequence`."""
    return (sequence - count) & MAX_SEQUENCE
