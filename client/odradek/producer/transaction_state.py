"""One transactional id, as its producer sees it. Decides; asks nobody.

    IDLE        between transactions           -> OPEN        `begin`
    OPEN        records and offsets are taken  -> UNSETTLED   `leave`: a commit begins, or an abort
    UNSETTLED   the end is under way, or was   -> IDLE        it is answered, or the coordinator has given out the next
                cut short by a cancellation                   epoch, which ends what is open
    FENCED      a newer producer has taken over, or the coordinator has given up on this one; nothing more can be done

Invariants
    What a transaction asks for (partitions, offsets) counts only while it is open: an answer that comes later is not
    looked at, and nothing is asked again. By then the epoch may have been raised, and what is asked under the old one
    is answered as if a newer producer had taken over.
    Whoever is refused by a partition, or while it adds something, need not be fenced: only the answers to EndTxn and
    InitProducerId say so. Until then the transaction can be aborted, and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Enum

from odradek.errors import BrokerError, ProducerFenced, TransactionAborted
from odradek.producer.queue import PartitionQueue
from odradek.protocol.errors import ErrorCode
from odradek.protocol.topic_partition import TopicPartition

FENCED_CODES = frozenset(
    {ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.INVALID_PRODUCER_ID_MAPPING}
)


class State(Enum):
    IDLE = "idle"
    OPEN = "open"
    UNSETTLED = "unsettled"
    FENCED = "fenced"


class TransactionState:
    """Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self.state = State.IDLE
        self.failure: BaseException | None = None
        """Why the open transaction can only be aborted; or why nothing more can be done."""
        self.is_contested = False
        """The failure says that somebody else has raised the epoch, or ended the transaction."""
        self.is_newer = False
        """The transaction is one of version 2 (KIP-890): Produce and TxnOffsetCommit add, EndTxn raises the epoch."""
        self.producer_id = -1
        self.epoch = -1
        self.number = 0
        """Of the transaction, among all that this producer has begun."""
        self.begun_at = 0.0
        self.added: set[TopicPartition] = set()
        self.may_be_begun = False
        """The coordinator may know of the transaction: then it has to be told the end."""
        self._numbered: set[PartitionQueue] = set()

    def begin(self, now_s: float, *, is_newer: bool) -> None:
        self.state, self.failure, self.is_contested = State.OPEN, None, False
        self.is_newer = is_newer
        self.begun_at = now_s
        self.number += 1

    def leave(self) -> None:
        """From now on nothing becomes part of it."""
        if self.state is State.OPEN:
            self.state = State.UNSETTLED

    def identified(self, producer_id: int, epoch: int) -> None:
        """What to go on with. Nothing is open under that epoch, and numbering begins anew."""
        self.producer_id, self.epoch = producer_id, epoch
        self._numbered.clear()
        self.ended()

    def ended(self) -> None:
        self.added.clear()
        self.may_be_begun = False

    def fail(self, error: BaseException) -> None:
        """A batch was not written, or something could not be added: the transaction can only be aborted."""
        if self.state is State.FENCED:
            return
        if isinstance(error, BrokerError) and error.code in FENCED_CODES:
            self.is_contested = True
        if self.failure is None:
            self.failure = error

    def fence(self, error: ProducerFenced) -> ProducerFenced:
        self.state, self.failure = State.FENCED, error
        return error

    def not_added(self, queues: Iterable[PartitionQueue]) -> list[TopicPartition]:
        """What the coordinator has to be asked to add, before the queues may send; nothing in the newer way."""
        if self.is_newer:
            return []
        partitions = [TopicPartition(queue.topic, queue.partition) for queue in queues]
        return [each for each in partitions if each not in self.added]

    def admit(self, queues: Collection[PartitionQueue]) -> None:
        """They may send, under this epoch."""
        self.may_be_begun = True
        for queue in queues:
            if queue not in self._numbered:
                queue.sequences.begin(self.producer_id, self.epoch)
                self._numbered.add(queue)
            queue.needs_admission = False

    def check_open(self, number: int) -> None:
        """Raises TransactionAborted where that transaction is no longer open, and why where the producer is fenced."""
        self.check_not_fenced()
        if self.state is not State.OPEN or self.number != number:
            raise TransactionAborted("the transaction has ended")

    def check_not_fenced(self) -> None:
        if self.state is State.FENCED:
            assert self.failure is not None
            raise self.failure
