"""TransactionCoordinator: the transactional ids of one partition of __transaction_state, and every call there is.

Decide, record, replay, as the group coordinator does: what a call returns as records has not happened until the caller
has appended them and replays each into this same object, with its offset. If the records cannot be appended, nothing is
replayed and nothing has happened. So Kafka's pending states are not needed: there is no moment in between.

Invariants
    A transactional id has at most one transaction that is not over.
    Nobody is given an epoch that somebody else has had under the same producer id.
    A transaction that is open has a deadline, and one whose end is decided owes markers or is completed.

What is not recorded, because the next coordinator can do without: with which epoch a producer has asked for its present
one. A retry of InitProducerId that comes to the next coordinator is taken for a producer that was fenced (KIP-360).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Enum
from itertools import islice
from typing import NamedTuple, TypeVar

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import describe_transactions, list_transactions
from odradek.protocol.messages.end_txn import EndTxnResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdResponse
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.coordination.record import CoordinatorRecord, fits
from odradek_broker.coordination.result import Answer, CoordinatorResult, Instant
from odradek_broker.coordination.timers import Timers
from odradek_broker.transactions import listing
from odradek_broker.transactions.add_partitions import has_all, may_add, verify
from odradek_broker.transactions.end import End, may_end
from odradek_broker.transactions.init_producer_id import Claim, claim_of, needs_producer_id, next_producer
from odradek_broker.transactions.markers import Markers, OwedMarkers
from odradek_broker.transactions.records import read_record, transaction_record
from odradek_broker.transactions.settings import TransactionSettings
from odradek_broker.transactions.states import TransactionState
from odradek_broker.transactions.transaction import (
    EPOCH_BUMPS,
    NO_EPOCH,
    NO_ID,
    ProducerIdAndEpoch,
    Transaction,
)

R = TypeVar("R")

EXPIRED_AT_ONCE = 500
RETRY_MS = 500
"""A decision of our own that the log has refused is made again after so long."""


class TimerKind(Enum):
    """What happens when the time has come."""

    TIMEOUT = "a transaction has been open for too long"
    EXPIRATION = "look for transactional ids that nobody has used for long"


class Timer(NamedTuple):
    kind: TimerKind
    transactional_id: str = ""


class _Given(NamedTuple):
    """What a producer was given, and the epoch that it had before."""

    producer: ProducerIdAndEpoch
    last_epoch: int


class TransactionCoordinator:
    """Answers for all transactional ids of one partition. Time comes with each call, and so do new producer ids."""

    def __init__(self, settings: TransactionSettings, transaction_version: int = 0) -> None:
        self.settings = settings
        self.transaction_version = transaction_version
        """The finalized level of transaction.version; replace it at will."""
        self.transactions: dict[str, Transaction] = {}
        self._timers: Timers[Timer] = Timers()
        self._markers = Markers()
        self._given: dict[str, _Given] = {}
        self._offered: dict[str, _Given] = {}
        """What was decided last, where it is not in the log: given once it is replayed, never where the log refuses."""

    # ---------------------------------------------------------------------------------------------- from producers

    def needs_producer_id(self, transactional_id: str) -> bool:
        """Whether `init_producer_id` or `end`, called now, wants a new producer id."""
        return needs_producer_id(self.transactions.get(transactional_id))

    def init_producer_id(
        self,
        transactional_id: str,
        timeout_ms: int,
        expected: ProducerIdAndEpoch,
        new_producer_id: int | None,
        now: Instant,
    ) -> CoordinatorResult[InitProducerIdResponse]:
        """Give a producer the transactional id. `expected`: what it has already, or NOBODY."""
        if not transactional_id or not fits(transactional_id):
            return _nothing(_refuse_init(ErrorCode.INVALID_REQUEST))
        if not 0 < timeout_ms <= self.settings.transaction_max_timeout_ms:
            return _nothing(_refuse_init(ErrorCode.INVALID_TRANSACTION_TIMEOUT))
        transaction = self.transactions.get(transactional_id)
        if transaction is None:
            if new_producer_id is None:
                return _nothing(_refuse_init(ErrorCode.CONCURRENT_TRANSACTIONS))
            transaction = Transaction(producer_id=new_producer_id, timeout_ms=timeout_ms, update_ms=now.wall_ms)
        if transaction.state.is_prepared:
            return _nothing(_refuse_init(ErrorCode.CONCURRENT_TRANSACTIONS))
        claim = claim_of(transaction, expected, self._last_epoch(transactional_id, transaction))
        if claim is None:
            return _nothing(_refuse_init(ErrorCode.PRODUCER_FENCED))
        if transaction.state is TransactionState.ONGOING:
            fence = self._fence(transactional_id, transaction, now)
            return CoordinatorResult(fence, _refuse_init(ErrorCode.CONCURRENT_TRANSACTIONS))
        producer = next_producer(transaction, claim, new_producer_id)
        if producer is None:
            return _nothing(_refuse_init(ErrorCode.CONCURRENT_TRANSACTIONS))
        self._offered.pop(transactional_id, None)
        if producer != transaction.producer and claim is not Claim.NEW:
            self._offered[transactional_id] = _Given(producer, transaction.producer_epoch)
        after = transaction.initialized(producer, timeout_ms, now.wall_ms)
        response = InitProducerIdResponse(producer_id=producer.producer_id, producer_epoch=producer.epoch)
        return CoordinatorResult([self._record(transactional_id, after)], response)

    def add_partitions(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partitions: Collection[TopicPartition],
        client_version: int,
        now: Instant,
    ) -> CoordinatorResult[ErrorCode]:
        """Let partitions belong to the producer's transaction, all or none; the first begin it."""
        if not transactional_id or not fits(transactional_id, *(each.topic for each in partitions)):
            return _nothing(ErrorCode.INVALID_REQUEST)
        transaction = self.transactions.get(transactional_id)
        error = may_add(transaction, producer)
        if error or transaction is None or has_all(transaction, partitions):
            return _nothing(error)
        after = transaction.with_partitions(partitions, client_version, now.wall_ms)
        return CoordinatorResult([self._record(transactional_id, after)], ErrorCode.NONE)

    def verify(
        self, transactional_id: str, producer: ProducerIdAndEpoch, partitions: Collection[TopicPartition]
    ) -> CoordinatorResult[dict[TopicPartition, ErrorCode]]:
        """Whether partitions have been added; nothing changes."""
        if not transactional_id:
            return _nothing(dict.fromkeys(partitions, ErrorCode.INVALID_REQUEST))
        return _nothing(verify(self.transactions.get(transactional_id), producer, partitions))

    def end(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        client_version: int,
        new_producer_id: int | None,
        now: Instant,
        *,
        commit: bool,
    ) -> CoordinatorResult[EndTxnResponse]:
        """Commit or abort. The response names what the producer goes on with, where its version knows that."""
        if not transactional_id:
            return _nothing(EndTxnResponse(error_code=ErrorCode.INVALID_REQUEST))
        transaction = self.transactions.get(transactional_id)
        if transaction is None:
            return _nothing(EndTxnResponse(error_code=ErrorCode.INVALID_PRODUCER_ID_MAPPING))
        verdict = may_end(transaction, producer, client_version, commit=commit)
        if verdict is End.DONE:
            return _nothing(_ended(transaction.producer))
        if isinstance(verdict, ErrorCode):
            return _nothing(EndTxnResponse(error_code=verdict))
        rotates = client_version >= EPOCH_BUMPS and transaction.epoch_is_exhausted
        if rotates and new_producer_id is None:
            return _nothing(EndTxnResponse(error_code=ErrorCode.CONCURRENT_TRANSACTIONS))
        decided = transaction.decided(
            commit=commit,
            client_version=client_version,
            now_ms=now.wall_ms,
            new_producer_id=new_producer_id if rotates and new_producer_id is not None else NO_ID,
        )
        records = self._decision(transactional_id, decided, now)
        return CoordinatorResult(records, _ended(decided.producer_after))

    # ---------------------------------------------------------------------------------------------------- markers

    def take_owed(self) -> list[OwedMarkers]:
        """What has come to be owed since the last call: markers to be written, to which partitions."""
        return self._markers.take()

    def owes(self, transactional_id: str, producer: ProducerIdAndEpoch) -> bool:
        """Whether the transaction of that producer is not completed yet."""
        return self._markers.owes(transactional_id, producer)

    def committed(self, log_offset: int) -> bool:
        """All records up to there will stay, so the markers that follow from them may be written; whether any do."""
        return self._markers.committed(log_offset)

    def markers_written(
        self, transactional_id: str, producer: ProducerIdAndEpoch, partitions: Iterable[TopicPartition], now: Instant
    ) -> CoordinatorResult[None]:
        """Partitions have the marker that they were owed, or are no more. To be called again where the log refuses."""
        transaction = self.transactions.get(transactional_id)
        if not self._markers.written(transactional_id, producer, partitions) or transaction is None:
            return _nothing(None)
        return CoordinatorResult([self._record(transactional_id, transaction.completed(now.wall_ms))], None)

    # ------------------------------------------------------------------------------------------------ for operators

    def describe(self, transactional_id: str) -> describe_transactions.TransactionState:
        return listing.describe(transactional_id, self.transactions.get(transactional_id))

    def list_transactions(
        self,
        now: Instant,
        *,
        states: Collection[str] = (),
        producer_ids: Collection[int] = (),
        duration_ms: int = listing.ANY_DURATION,
    ) -> list[list_transactions.TransactionState]:
        return listing.matching(
            self.transactions, states=states, producer_ids=producer_ids, duration_ms=duration_ms, now_ms=now.wall_ms
        )

    # ----------------------------------------------------------------------------------------------------- records

    def replay(
        self, record: CoordinatorRecord, log_offset: int, now: Instant, producer_id: int | None = None
    ) -> list[Answer]:
        """Let what a record says come to pass. Raises ProtocolError where it cannot be understood."""
        meaning = read_record(record.key, record.value)
        if meaning is None:
            return []
        transactional_id, transaction = meaning
        self._markers.replayed(transactional_id, transaction, log_offset)
        offered = self._offered.pop(transactional_id, None)
        if offered is not None and transaction is not None and offered.producer == transaction.producer:
            self._given[transactional_id] = offered
        before = self.transactions.get(transactional_id)
        if transaction is None:
            self.transactions.pop(transactional_id, None)
            self._given.pop(transactional_id, None)
        else:
            self.transactions[transactional_id] = transaction
        if transaction is not None and transaction.state is TransactionState.ONGOING:
            left_ms = transaction.start_ms + transaction.timeout_ms - now.wall_ms
            deadline_ms = now.monotonic_ms + min(max(left_ms, 0), transaction.timeout_ms)
            self._timers.set(Timer(TimerKind.TIMEOUT, transactional_id), deadline_ms)
        elif before is not None and before.state is TransactionState.ONGOING:
            self._timers.cancel(Timer(TimerKind.TIMEOUT, transactional_id))
        return []

    def begin(self, now: Instant) -> None:
        """All records there are have been replayed."""
        self._look_for_expired_later(now)

    # -------------------------------------------------------------------------------------------------------- time

    @property
    def next_deadline_ms(self) -> int | None:
        """When `pop_due` is to be called next, by the monotonic clock; None where nothing is due ever."""
        return self._timers.next_deadline_ms

    def pop_due(self, now: Instant) -> Timer | None:
        """What has been due for longest; None where nothing is. `time_over` is to follow before the next call."""
        return self._timers.pop_due(now.monotonic_ms)

    def time_over(self, timer: Timer, now: Instant) -> CoordinatorResult[None]:
        """Do what a timer was set for."""
        if timer.kind is TimerKind.EXPIRATION:
            expired = self._expired(now.wall_ms)
            if len(expired) < EXPIRED_AT_ONCE:
                self._look_for_expired_later(now)
            else:
                self._timers.set(timer, now.monotonic_ms)
            return CoordinatorResult([self._record(name, None) for name in expired], None)
        self.put_off(timer, now)  # replaying the abort cancels that
        transaction = self.transactions[timer.transactional_id]
        return CoordinatorResult(self._fence(timer.transactional_id, transaction, now), None)

    def put_off(self, timer: Timer, now: Instant) -> None:
        """What a timer was set for has not been done."""
        self._timers.set(timer, now.monotonic_ms + RETRY_MS)

    def _expired(self, now_ms: int) -> list[str]:
        """Those that nobody has used for long: no more than can be written down between two requests."""
        longest_ms = self.settings.transactional_id_expiration_ms
        expired = (
            transactional_id
            for transactional_id, transaction in self.transactions.items()
            if transaction.state.is_over and transaction.update_ms <= now_ms - longest_ms
        )
        return list(islice(expired, EXPIRED_AT_ONCE))

    def _look_for_expired_later(self, now: Instant) -> None:
        interval_ms = self.settings.transaction_remove_expired_transaction_cleanup_interval_ms
        self._timers.set(Timer(TimerKind.EXPIRATION), now.monotonic_ms + interval_ms)

    # ---------------------------------------------------------------------------------------------------- decisions

    def _fence(self, transactional_id: str, transaction: Transaction, now: Instant) -> list[CoordinatorRecord]:
        """Abort an open transaction over its producer's head."""
        fenced = transaction.fenced(client_version=self._internal_version, now_ms=now.wall_ms)
        return self._decision(transactional_id, fenced, now)

    @property
    def _internal_version(self) -> int:
        """By which the coordinator itself ends transactions."""
        return EPOCH_BUMPS if self.transaction_version >= EPOCH_BUMPS else 0

    def _decision(self, transactional_id: str, decided: Transaction, now: Instant) -> list[CoordinatorRecord]:
        """What says that a transaction ends; at once that it has ended, where no partition is owed a marker."""
        self._offered.pop(transactional_id, None)
        records = [self._record(transactional_id, decided)]
        if not decided.partitions:
            records.append(self._record(transactional_id, decided.completed(now.wall_ms)))
        return records

    def _record(self, transactional_id: str, transaction: Transaction | None) -> CoordinatorRecord:
        return transaction_record(transactional_id, transaction, self.transaction_version)

    def _last_epoch(self, transactional_id: str, transaction: Transaction) -> int:
        given = self._given.get(transactional_id)
        return given.last_epoch if given is not None and given.producer == transaction.producer else NO_EPOCH


def _refuse_init(error: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=error, producer_id=NO_ID, producer_epoch=NO_EPOCH)


def _ended(producer: ProducerIdAndEpoch) -> EndTxnResponse:
    return EndTxnResponse(producer_id=producer.producer_id, producer_epoch=producer.epoch)


def _nothing(response: R) -> CoordinatorResult[R]:
    """Nothing is to be written down."""
    return CoordinatorResult([], response)
