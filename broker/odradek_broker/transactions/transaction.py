"""Transaction: all that is known of one transactional id, and how the next value follows from it.

Invariants
    A Transaction never changes; each step makes the next one, which is what gets recorded.
    Each step leads from a state to one that may follow on it (states.py): an assertion says so.
    A producer never gets an epoch above LAST_EPOCH, so that it can always be fenced by one more.
    `next_producer_id` is there from the decision to the end of a transaction that has used up its producer id's epochs.
    `previous_producer_id` is the one before the last step; it differs from `producer_id` only just after a rotation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct, structs

from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.transactions.states import VALID_PREVIOUS, TransactionState

NO_ID = NO_EPOCH = NO_TIME = -1
LAST_EPOCH = 2**15 - 2
"""The last that a producer may have."""

EPOCH_BUMPS = 2
"""The transaction version from which on every end raises the epoch (KIP-890)."""


class ProducerIdAndEpoch(NamedTuple):
    producer_id: int
    epoch: int


NOBODY = ProducerIdAndEpoch(NO_ID, NO_EPOCH)


class Transaction(Struct, frozen=True, kw_only=True, gc=False):
    """Of one transactional id: the producer that has it, and its transaction, the one that is open or the last."""

    producer_id: int
    producer_epoch: int = NO_EPOCH
    """-1 only before the first record."""
    previous_producer_id: int = NO_ID
    next_producer_id: int = NO_ID
    timeout_ms: int
    state: TransactionState = TransactionState.EMPTY
    partitions: dict[TopicPartition, None] = {}
    """Those that belong to it; once it is decided, those too that already have their marker."""
    start_ms: int = NO_TIME
    update_ms: int
    client_version: int = 0
    """The transaction version by which the client has begun or ended it."""

    @property
    def producer(self) -> ProducerIdAndEpoch:
        return ProducerIdAndEpoch(self.producer_id, self.producer_epoch)

    @property
    def producer_after(self) -> ProducerIdAndEpoch:
        """What the producer goes on with once the transaction has ended."""
        return self.producer if self.next_producer_id == NO_ID else ProducerIdAndEpoch(self.next_producer_id, 0)

    @property
    def epoch_is_exhausted(self) -> bool:
        return self.producer_epoch >= LAST_EPOCH

    @property
    def bumped_from(self) -> ProducerIdAndEpoch:
        """With which id and epoch the producer has ended it, where ending it has raised the epoch; else NOBODY."""
        if self.state.is_prepared or self.state in (TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT):
            if self.client_version < EPOCH_BUMPS:
                return NOBODY
            if self.producer_epoch == 0:
                return ProducerIdAndEpoch(self.previous_producer_id, LAST_EPOCH)
            return ProducerIdAndEpoch(self.producer_id, self.producer_epoch - 1)
        return NOBODY

    # ------------------------------------------------------------------------------------------------- the next value

    def initialized(self, producer: ProducerIdAndEpoch, timeout_ms: int, now_ms: int) -> Transaction:
        """A producer has got the transactional id (InitProducerId)."""
        return self._next(
            TransactionState.EMPTY,
            now_ms,
            producer_id=producer.producer_id,
            producer_epoch=producer.epoch,
            timeout_ms=timeout_ms,
            partitions={},
            start_ms=NO_TIME,
        )

    def with_partitions(self, added: Iterable[TopicPartition], client_version: int, now_ms: int) -> Transaction:
        """Partitions are about to be written to; the first begin the transaction."""
        is_open = self.state is TransactionState.ONGOING
        return self._next(
            TransactionState.ONGOING,
            now_ms,
            partitions=(self.partitions if is_open else {}) | dict.fromkeys(added),
            start_ms=self.start_ms if is_open else now_ms,
            client_version=client_version,
        )

    def decided(self, *, commit: bool, client_version: int, now_ms: int, new_producer_id: int = NO_ID) -> Transaction:
        """The producer has ended it. The epoch rises where the version says so.

        `new_producer_id`: to go on with, where the epoch is exhausted and rises all the same.
        """
        is_open = self.state is TransactionState.ONGOING
        return self._next(
            TransactionState.PREPARE_COMMIT if commit else TransactionState.PREPARE_ABORT,
            now_ms,
            producer_epoch=self.producer_epoch + (client_version >= EPOCH_BUMPS),
            next_producer_id=new_producer_id,
            partitions=self.partitions if is_open else {},
            start_ms=self.start_ms if is_open else now_ms,
            client_version=client_version,
        )

    def fenced(self, *, client_version: int, now_ms: int) -> Transaction:
        """It is aborted over its producer's head, and the epoch rises once, whatever the version."""
        return self._next(
            TransactionState.PREPARE_ABORT,
            now_ms,
            producer_epoch=self.producer_epoch + 1,
            next_producer_id=NO_ID,
            client_version=client_version,
        )

    def completed(self, now_ms: int) -> Transaction:
        """Every partition has its marker."""
        is_commit = self.state is TransactionState.PREPARE_COMMIT
        after = self.producer_after
        return self._next(
            TransactionState.COMPLETE_COMMIT if is_commit else TransactionState.COMPLETE_ABORT,
            now_ms,
            producer_id=after.producer_id,
            producer_epoch=after.epoch,
            next_producer_id=NO_ID,
            partitions={},
        )

    def _next(self, state: TransactionState, now_ms: int, **changes: object) -> Transaction:
        assert self.state in VALID_PREVIOUS[state], f"{state.kafka_name} after {self.state.kafka_name}"
        after = structs.replace(
            self,
            state=state,
            previous_producer_id=self.producer_id if self.producer_epoch != NO_EPOCH else NO_ID,
            update_ms=max(now_ms, self.update_ms),
            **changes,
        )
        assert 0 <= after.producer_epoch <= LAST_EPOCH + 1, f"epoch {after.producer_epoch}"
        return after
