"""Transactions: records to several partitions, and a group's offsets, become visible together or not at all.

States of one transactional id, as this producer sees it
    IDLE        between transactions           -> OPEN        `begin`
    OPEN        records and offsets are taken  -> UNSETTLED   `commit` begins, or `leave` before an abort
    UNSETTLED   the end is under way, or was   -> IDLE        it is answered
                cut short by a cancellation    -> OPEN        `begin`: InitProducerId ends what is open
    FENCED      a newer producer has taken over, or the coordinator aborted a transaction that took longer than
                transaction_timeout_ms; nothing more can be done with this producer

Rules
    A partition is added to the transaction at its coordinator before the first batch is sent to it, and a group before
    its offsets are. (The older way, which every broker knows: KIP-890's newer one adds them by the Produce itself.)
    A transaction is committed only if every batch was acknowledged. Otherwise it is aborted, and the epoch is raised by
    the coordinator, so that numbering begins anew.
    Before an abort nothing may be in flight any more: it would be written behind the marker.
    What a transaction has asked for (partitions, offsets) counts only while it is open: an answer that comes later is
    not looked at, and nothing is asked again. By then the epoch may have been raised, and what is asked under the old
    one is answered as if a newer producer had taken over.
    EndTxn is asked again until it is answered: asking twice for the same end is harmless.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection
from enum import Enum
from typing import Protocol, TypeVar

import trio

from odradek.cluster.cluster import Cluster
from odradek.cluster.coordinator import GROUP, TRANSACTION, Coordinator
from odradek.errors import (
    BadAnswer,
    BrokerError,
    CommitFailed,
    CoordinatorUnavailable,
    IllegalGeneration,
    ProducerFenced,
    TransactionAborted,
    UnknownMember,
    broker_error,
)
from odradek.group_position import GroupPosition
from odradek.producer.queue import PartitionQueue
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import ApiMessage
from odradek.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse
from odradek.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
)
from odradek.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
)
from odradek.protocol.topic_partition import TopicPartition

R = TypeVar("R")

LAST_ADD_PARTITIONS_VERSION = 3
LAST_END_TXN_VERSION = 4
LAST_OFFSET_COMMIT_VERSION = 4
"""What comes after these belongs to the newer way."""

FENCED_CODES = frozenset(
    {ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.INVALID_PRODUCER_ID_MAPPING}
)


class State(Enum):
    IDLE = "idle"
    OPEN = "open"
    UNSETTLED = "unsettled"
    FENCED = "fenced"


class HasGroupPosition(Protocol):
    """A consumer that is a member of a group."""

    def group_position(self) -> GroupPosition: ...


class Transactions:
    """Speaks to the transaction coordinator for one producer."""

    def __init__(self, cluster: Cluster, transactional_id: str, timeout_ms: int) -> None:
        self.state = State.IDLE
        self.failure: BaseException | None = None
        """Why the open transaction can only be aborted."""
        self._cluster = cluster
        self._transactional_id = transactional_id
        self._timeout_ms = timeout_ms
        self._coordinator = Coordinator(cluster, TRANSACTION, transactional_id)
        self._producer_id = -1
        self._epoch = -1
        self._begun_count = 0
        self._added: set[TopicPartition] = set()
        self._has_offsets = False
        self._numbered: set[PartitionQueue] = set()

    async def start(self, timeout_s: float) -> None:
        """Fence earlier producers of this id, and end what they have left open.

        Raises what is final, and what was said last when the time is over.
        """
        await self._renew_identity(timeout_s)

    async def begin(self) -> None:
        self._check_not_fenced()
        if self.state is State.OPEN:
            raise RuntimeError("one transaction at a time")
        if self.state is State.UNSETTLED:
            await self._renew_identity()
        self.state, self.failure = State.OPEN, None
        self._begun_count += 1

    async def admit(self, queues: Collection[PartitionQueue]) -> None:
        """Add their partitions to the transaction, and let them number their batches.

        Raises TransactionAborted where none is open. Has done nothing where the transaction ended meanwhile.
        """
        self._check_open(self._begun_count)
        new = [queue for queue in queues if TopicPartition(queue.topic, queue.partition) not in self._added]
        if new:
            try:
                await self._add_partitions([TopicPartition(queue.topic, queue.partition) for queue in new])
            except TransactionAborted:
                return
        for queue in queues:
            if queue not in self._numbered:
                queue.sequences.begin(self._producer_id, self._epoch)
                self._numbered.add(queue)
            queue.needs_admission = False

    async def add_offsets(self, position: GroupPosition) -> None:
        """Let the group's offsets be committed with the transaction.

        Raises TransactionAborted where it ends meanwhile, and CommitFailed where the member has lost its place
        in the group: then the records belong to another one.
        """
        ids = (self._transactional_id, self._producer_id, self._epoch)
        await self._ask_while_open(
            self._coordinator,
            AddOffsetsToTxnRequest(*ids, position.group),
            AddOffsetsToTxnResponse,
            lambda answer: answer.error_code,
        )
        self._has_offsets = True
        topics: dict[str, list[TxnOffsetCommitRequestPartition]] = {}
        for partition, offset in position.offsets.items():
            topics.setdefault(partition.topic, []).append(TxnOffsetCommitRequestPartition(partition.partition, offset))
        request = TxnOffsetCommitRequest(
            transactional_id=self._transactional_id,
            group_id=position.group,
            producer_id=self._producer_id,
            producer_epoch=self._epoch,
            generation_id_or_member_epoch=position.generation,
            member_id=position.member_id,
            group_instance_id=position.instance_id,
            topics=[TxnOffsetCommitRequestTopic(name, partitions=partitions) for name, partitions in topics.items()],
        )
        try:
            await self._ask_while_open(
                Coordinator(self._cluster, GROUP, position.group),
                request,
                TxnOffsetCommitResponse,
                lambda answer: next((p.error_code for t in answer.topics for p in t.partitions if p.error_code), 0),
                at_most=LAST_OFFSET_COMMIT_VERSION,
            )
        except (IllegalGeneration, UnknownMember) as error:
            raise CommitFailed(f"the group {position.group} has rebalanced: {error.code.name}") from error

    async def commit(self) -> None:
        """Raises ProducerFenced. When it is cancelled, it is not known whether the transaction was committed."""
        self.state = State.UNSETTLED
        await self._end(committed=True)
        self.state = State.IDLE

    def leave(self) -> None:
        """It is to be aborted: from now on nothing becomes part of it."""
        if self.state is State.OPEN:
            self.state = State.UNSETTLED

    async def abort(self) -> None:
        """And begin numbering anew. Raises ProducerFenced."""
        if self.state is State.FENCED:
            return
        self.leave()
        await self._end(committed=False)
        await self._renew_identity()
        self.state = State.IDLE

    async def _end(self, *, committed: bool) -> None:
        if self._added or self._has_offsets:
            request = EndTxnRequest(self._transactional_id, self._producer_id, self._epoch, committed)
            await self._ask(
                self._coordinator,
                request,
                EndTxnResponse,
                lambda answer: answer.error_code,
                at_most=LAST_END_TXN_VERSION,
            )
        self._added.clear()
        self._has_offsets = False

    def fail(self, error: BaseException) -> None:
        """A batch was not written: the transaction can only be aborted."""
        if isinstance(error, ProducerFenced):
            self._fence(error)
        elif self.failure is None:
            self.failure = error

    # -------------------------------------------------------------------------------------------------- inside

    async def _renew_identity(self, timeout_s: float = math.inf) -> None:
        """A new epoch, or at first an identity."""
        request = InitProducerIdRequest(self._transactional_id, self._timeout_ms, self._producer_id, self._epoch)
        answer = await self._ask(
            self._coordinator,
            request,
            InitProducerIdResponse,
            lambda answer: answer.error_code,
            at_most=5,
            timeout_s=timeout_s,
        )
        if answer.producer_id < 0 or answer.producer_epoch < 0:
            raise BadAnswer(f"producer id {answer.producer_id}, epoch {answer.producer_epoch}")
        self._producer_id, self._epoch = answer.producer_id, answer.producer_epoch
        self._numbered.clear()
        self._added.clear()
        self._has_offsets = False

    async def _add_partitions(self, partitions: Collection[TopicPartition]) -> None:
        topics: dict[str, list[int]] = {}
        for partition in partitions:
            topics.setdefault(partition.topic, []).append(partition.partition)
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self._transactional_id,
            v3_and_below_producer_id=self._producer_id,
            v3_and_below_producer_epoch=self._epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name, indexes) for name, indexes in topics.items()],
        )
        await self._ask_while_open(
            self._coordinator, request, AddPartitionsToTxnResponse, _partition_code, at_most=LAST_ADD_PARTITIONS_VERSION
        )
        self._added.update(partitions)

    async def _ask_while_open(
        self,
        coordinator: Coordinator,
        request: ApiMessage,
        response: type[R],
        code_of: Callable[[R], int],
        *,
        at_most: int | None = None,
    ) -> R:
        """Ask for the open transaction. Raises TransactionAborted where it ends before there is an answer."""
        transaction = self._begun_count

        def check() -> None:
            self._check_open(transaction)

        return await self._ask(coordinator, request, response, code_of, at_most=at_most, check=check)

    async def _ask(
        self,
        coordinator: Coordinator,
        request: ApiMessage,
        response: type[R],
        code_of: Callable[[R], int],
        *,
        at_most: int | None = None,
        check: Callable[[], None] = lambda: None,
        timeout_s: float = math.inf,
    ) -> R:
        """Ask until there is an answer that is final, or the time is over. Raises it as an exception if it is an error.

        `check` raises where the question is no longer of interest, whatever the answer is.
        """
        deadline = trio.current_time() + timeout_s
        while True:
            check()
            answer = await coordinator.ask_until_answered(
                request, response, code_of, at_most=at_most, timeout_s=timeout_s
            )
            check()
            code = code_of(answer)
            if code == ErrorCode.NONE:
                return answer
            error = broker_error(code, f"transactional id {self._transactional_id}")
            if error.code in FENCED_CODES:
                raise self._fence(error)
            if not error.retriable or isinstance(error, CoordinatorUnavailable) or trio.current_time() >= deadline:
                raise error
            await trio.sleep(self._cluster.backoff_s)

    def _check_open(self, transaction: int) -> None:
        self._check_not_fenced()
        if self.state is not State.OPEN or self._begun_count != transaction:
            raise TransactionAborted("the transaction has ended")

    def _check_not_fenced(self) -> None:
        if self.state is State.FENCED:
            assert self.failure is not None
            raise self.failure

    def _fence(self, error: BrokerError) -> ProducerFenced:
        cause = (
            f"{error.code.name} for transactional id {self._transactional_id}: either another producer with this id "
            f"has been started since, or a transaction took longer than transaction_timeout_ms ({self._timeout_ms} ms) "
            "and was aborted by the coordinator"
        )
        fenced = ProducerFenced(ErrorCode.PRODUCER_FENCED, cause)
        fenced.__cause__ = error
        self.state, self.failure = State.FENCED, fenced
        return fenced


class Transaction:
    """An open transaction, given out by `producer.transaction()`."""

    def __init__(self, add_offsets: Callable[[GroupPosition], Awaitable[None]]) -> None:
        self._add_offsets = add_offsets

    async def commit_offsets(self, consumer: HasGroupPosition) -> None:
        """Commit, as part of the transaction, all that the consumer has handed out.

        Raises CommitFailed where the consumer has lost partitions to another member; let it end the transaction.
        """
        await self._add_offsets(consumer.group_position())


def _partition_code(answer: AddPartitionsToTxnResponse) -> int:
    """What stands for all: the first error that is not only the echo of another partition's."""
    codes = [p.partition_error_code for t in answer.results_by_topic_v3_and_below for p in t.results_by_partition]
    real = [code for code in codes if code not in (ErrorCode.NONE, ErrorCode.OPERATION_NOT_ATTEMPTED)]
    return next(iter(real or codes), 0)
