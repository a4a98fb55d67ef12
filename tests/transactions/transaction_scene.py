"""A transaction coordinator with a log, a clock and producer ids of its own: the shell's part, in a list of calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.end_txn import EndTxnResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdResponse
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.coordination.result import CoordinatorResult, Instant
from odradek_broker.transactions.coordinator import TransactionCoordinator
from odradek_broker.transactions.markers import OwedMarkers
from odradek_broker.transactions.records import transaction_record
from odradek_broker.transactions.settings import TransactionSettings
from odradek_broker.transactions.states import TransactionState
from odradek_broker.transactions.transaction import LAST_EPOCH, NOBODY, ProducerIdAndEpoch, Transaction

R = TypeVar("R")

WALL_MS = 1_700_000_000_000
TIMEOUT_MS = 60_000
ID = "transfers"
T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


class Refusal(Exception):
    """The scene's log has refused the records."""


class Scene:
    """Calls the coordinator, appends and replays its records. By default everything is committed at once."""

    def __init__(self, *, loaded_from: Iterable[CoordinatorRecord] = (), version: int = 2, **settings: int) -> None:
        self.now_ms = 0
        self.settings = TransactionSettings(**settings)
        self.core = TransactionCoordinator(self.settings, version)
        self.log: list[CoordinatorRecord] = []
        self.commits = True
        self.refuses = False
        self.next_producer_id = 1000
        self._owed: list[OwedMarkers] = []
        for record in loaded_from:
            self._replay(record)
        self.core.begin(self.now)
        self.core.committed(len(self.log) - 1)

    @property
    def now(self) -> Instant:
        return Instant(self.now_ms, WALL_MS + self.now_ms)

    def restarted(self) -> Scene:
        """The next coordinator, over the same log."""
        scene = Scene(version=self.core.transaction_version)
        scene.core.settings = scene.settings = self.settings
        scene.now_ms, scene.next_producer_id = self.now_ms, self.next_producer_id
        for record in self.log:
            scene._replay(record)
        scene.core.committed(len(scene.log) - 1)
        return scene

    def carry_out(self, result: CoordinatorResult[R]) -> R:
        if result.records and self.refuses:
            raise Refusal
        for record in result.records:
            self._replay(record)
        if self.commits:
            self.core.committed(len(self.log) - 1)
        return result.response

    def _replay(self, record: CoordinatorRecord) -> None:
        self.log.append(record)
        self.core.replay(record, len(self.log) - 1, self.now)

    def new_producer_id(self, transactional_id: str) -> int | None:
        if not self.core.needs_producer_id(transactional_id):
            return None
        self.next_producer_id += 1
        return self.next_producer_id

    # ------------------------------------------------------------------------------------------------------- time

    def pass_time(self, ms: int) -> None:
        """Let time go by, with a tick at each deadline."""
        end_ms = self.now_ms + ms
        while (deadline_ms := self.core.next_deadline_ms) is not None and deadline_ms <= end_ms:
            self.now_ms = max(self.now_ms, deadline_ms)
            self.tick()
        self.now_ms = end_ms

    def tick(self) -> None:
        while (timer := self.core.pop_due(self.now)) is not None:
            try:
                self.carry_out(self.core.time_over(timer, self.now))
            except Refusal:
                continue

    # --------------------------------------------------------------------------------------------------- requests

    def try_init(
        self, expected: ProducerIdAndEpoch = NOBODY, *, timeout_ms: int = TIMEOUT_MS, transactional_id: str = ID
    ) -> InitProducerIdResponse:
        new_id = self.new_producer_id(transactional_id)
        return self.carry_out(self.core.init_producer_id(transactional_id, timeout_ms, expected, new_id, self.now))

    def init(self, expected: ProducerIdAndEpoch = NOBODY, *, timeout_ms: int = TIMEOUT_MS) -> ProducerIdAndEpoch:
        """As a client does it: again while a transaction is still being ended."""
        response = self.try_init(expected, timeout_ms=timeout_ms)
        if response.error_code == ErrorCode.CONCURRENT_TRANSACTIONS:
            self.write_markers()
            response = self.try_init(expected, timeout_ms=timeout_ms)
        assert response.error_code == ErrorCode.NONE, ErrorCode.from_code(response.error_code)
        return ProducerIdAndEpoch(response.producer_id, response.producer_epoch)

    def add(
        self, producer: ProducerIdAndEpoch, *partitions: TopicPartition, version: int = 2, txn: str = ID
    ) -> ErrorCode:
        return self.carry_out(self.core.add_partitions(txn, producer, partitions or (T0,), version, self.now))

    def verify(self, producer: ProducerIdAndEpoch, *partitions: TopicPartition) -> list[ErrorCode]:
        return list(self.carry_out(self.core.verify(ID, producer, partitions or (T0,))).values())

    def try_end(
        self, producer: ProducerIdAndEpoch, *, commit: bool = True, version: int = 2, txn: str = ID
    ) -> EndTxnResponse:
        new_id = self.new_producer_id(txn)
        return self.carry_out(self.core.end(txn, producer, version, new_id, self.now, commit=commit))

    def end(self, producer: ProducerIdAndEpoch, *, commit: bool = True, version: int = 2) -> ProducerIdAndEpoch:
        """What the producer goes on with; every partition has its marker afterwards."""
        response = self.try_end(producer, commit=commit, version=version)
        assert response.error_code == ErrorCode.NONE, ErrorCode.from_code(response.error_code)
        self.write_markers()
        return ProducerIdAndEpoch(response.producer_id, response.producer_epoch)

    # ---------------------------------------------------------------------------------------------------- markers

    def owed(self) -> list[OwedMarkers]:
        """All that are owed and not completed yet."""
        self._owed += self.core.take_owed()
        self._owed = [each for each in self._owed if self.core.owes(each.transactional_id, each.producer)]
        return list(self._owed)

    def write_markers(self) -> None:
        for owed in self.owed():
            self.carry_out(
                self.core.markers_written(owed.transactional_id, owed.producer, list(owed.partitions), self.now)
            )

    # ------------------------------------------------------------------------------------------------------ state

    @property
    def transaction(self) -> Transaction:
        return self.core.transactions[ID]

    @property
    def state(self) -> TransactionState:
        return self.transaction.state

    def exhaust(self, producer: ProducerIdAndEpoch) -> ProducerIdAndEpoch:
        """Let the producer have come to the last epoch that it may have."""
        last = ProducerIdAndEpoch(producer.producer_id, LAST_EPOCH)
        after = Transaction(
            producer_id=producer.producer_id,
            producer_epoch=LAST_EPOCH,
            timeout_ms=TIMEOUT_MS,
            update_ms=WALL_MS,
        )
        self._replay(transaction_record(ID, after, self.core.transaction_version))
        return last
