"""The transaction coordinators of this broker: what requests ask of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, TypeVar

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import describe_transactions, list_transactions
from odradek.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdResponse
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.controller.image import TRANSACTION_TOPIC, TRANSACTION_VERSION
from odradek_broker.coordination.result import CoordinatorResult, Instant
from odradek_broker.coordinators.coordinators import Coordinators
from odradek_broker.coordinators.marker_sender import MarkerSender
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.coordinators.transaction_gate import TransactionGate
from odradek_broker.coordinators.transaction_partition import TransactionPartition
from odradek_broker.metadata.client import ControllerUnavailable
from odradek_broker.transactions.coordinator import TransactionCoordinator
from odradek_broker.transactions.listing import unknown_states
from odradek_broker.transactions.settings import TransactionSettings
from odradek_broker.transactions.transaction import ProducerIdAndEpoch

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.context import NodeContext
    from odradek_broker.coordinators.transaction_markers import TransactionMarkers
    from odradek_broker.metadata.client import ControllerClient
    from odradek_broker.partitions.partition import Partition
    from odradek_broker.partitions.replica_logs import ReplicaLogs
    from odradek_broker.partitions.replica_manager import ReplicaManager

R = TypeVar("R")

COMMIT_SECONDS = 30.0
"""How long a client waits for a decision to be committed before it is sent away, to ask again."""


class TransactionsRuntime(Coordinators[TransactionPartition]):
    """Finds the coordinator of a transactional id and asks it. Requests raise CoordinatorUnavailable."""

    topic = TRANSACTION_TOPIC

    def __init__(
        self,
        context: NodeContext,
        replicas: ReplicaManager,
        logs: ReplicaLogs,
        controller: ControllerClient,
        markers: TransactionMarkers,
    ) -> None:
        super().__init__(context, replicas, logs)
        self._controller = controller
        self.gate = TransactionGate(context, self)
        self._sender = MarkerSender(context, markers, self._loaded)

    def _loaded(self) -> list[TransactionPartition]:
        return [each for each in self._partitions.values() if each.is_loaded]

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Coordinate, and write markers, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sender.run)
            try:
                await super().run(task_status)
            finally:
                self.gate.close()
            nursery.cancel_scope.cancel()

    def refresh(self) -> None:
        """Also: a topic may be gone that was owed markers, or another broker leads it, and the version may be new."""
        super().refresh()
        for each in self._partitions.values():
            each.coordinator.transaction_version = self.version
        self._sender.owes.set()

    @property
    def version(self) -> int:
        """The finalized level of transaction.version."""
        return self._context.image.features.get(TRANSACTION_VERSION, 0)

    def _make(self, partition: Partition, *, is_only_copy: bool) -> TransactionPartition:
        coordinator = TransactionCoordinator(_settings(self._context.config), self.version)
        return TransactionPartition(
            partition, coordinator, self._context.steady_clock, self._sender.owes, is_only_copy=is_only_copy
        )

    # ---------------------------------------------------------------------------------------------------- requests

    async def init_producer_id(
        self, transactional_id: str, timeout_ms: int, expected: ProducerIdAndEpoch
    ) -> InitProducerIdResponse:
        found = await self.find(transactional_id)
        new_id = await self._new_producer_id(found, transactional_id)
        return await self._decide(
            found, lambda core, now: core.init_producer_id(transactional_id, timeout_ms, expected, new_id, now)
        )

    async def add_partitions(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partitions: Collection[TopicPartition],
        client_version: int,
    ) -> ErrorCode:
        found = await self.find(transactional_id)
        return await self._decide(
            found, lambda core, now: core.add_partitions(transactional_id, producer, partitions, client_version, now)
        )

    async def verify(
        self, transactional_id: str, producer: ProducerIdAndEpoch, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, ErrorCode]:
        found = await self.find(transactional_id)
        return await self._ask(found, lambda core, _: core.verify(transactional_id, producer, partitions))

    async def end(self, request: EndTxnRequest, client_version: int) -> EndTxnResponse:
        found = await self.find(request.transactional_id)
        new_id = await self._new_producer_id(found, request.transactional_id)
        producer = ProducerIdAndEpoch(request.producer_id, request.producer_epoch)
        return await self._decide(
            found,
            lambda core, now: core.end(
                request.transactional_id, producer, client_version, new_id, now, commit=request.committed
            ),
        )

    async def describe(self, transactional_id: str) -> describe_transactions.TransactionState:
        found = await self.find(transactional_id)
        return await self._ask(found, lambda core, _: CoordinatorResult([], core.describe(transactional_id)))

    async def list_transactions(
        self, states: Collection[str], producer_ids: Collection[int], duration_ms: int
    ) -> tuple[ErrorCode, list[str], list[list_transactions.TransactionState]]:
        """An error where some are not known yet, the states that do not exist, and the transactions of this broker."""
        error, loaded = await self._all_loaded()
        found = [
            one
            for each in loaded
            for one in each.coordinator.list_transactions(
                each.now(), states=states, producer_ids=producer_ids, duration_ms=duration_ms
            )
        ]
        return error, unknown_states(states), found

    # --------------------------------------------------------------------------------------------------------- asking

    async def _decide(
        self, found: TransactionPartition, decide: Callable[[TransactionCoordinator, Instant], CoordinatorResult[R]]
    ) -> R:
        """Ask for what may be recorded: not where it could not be committed, for then it had better not be decided."""
        if not found.partition.has_enough_replicas:
            raise CoordinatorUnavailable(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        return await self._ask(found, decide)

    async def _ask(
        self, found: TransactionPartition, decide: Callable[[TransactionCoordinator, Instant], CoordinatorResult[R]]
    ) -> R:
        with trio.move_on_after(COMMIT_SECONDS):
            return await found.ask(lambda now, _ticket: decide(found.coordinator, now))
        raise CoordinatorUnavailable(ErrorCode.COORDINATOR_NOT_AVAILABLE)

    async def _new_producer_id(self, found: TransactionPartition, transactional_id: str) -> int | None:
        """An id that nobody has had, where one may be wanted."""
        if not found.coordinator.needs_producer_id(transactional_id):
            return None
        try:
            return await self._controller.next_producer_id()
        except ControllerUnavailable:
            raise CoordinatorUnavailable(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) from None


def _settings(config: BrokerConfig) -> TransactionSettings:
    return TransactionSettings(
        transaction_max_timeout_ms=config.transaction_max_timeout_ms,
        transactional_id_expiration_ms=config.transactional_id_expiration_ms,
        transaction_remove_expired_transaction_cleanup_interval_ms=(
            config.transaction_remove_expired_transaction_cleanup_interval_ms
        ),
    )
