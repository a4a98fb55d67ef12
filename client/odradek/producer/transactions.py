"""Transactions: records to several partitions, and a group's offsets, become visible together or not at all.

This says in which order; transaction_state.py knows what state the transaction is in, transaction_asker.py asks.

Rules
    In the older way a partition is added to the transaction at its coordinator before the first batch is sent to it,
    and a group before its offsets are. In the newer way (KIP-890, where transaction.version is 2) Produce and
    TxnOffsetCommit add by themselves, and every end raises the epoch: nothing that is late can become part of what
    comes next.
    A transaction is committed only if every batch was acknowledged. Otherwise it is aborted, and numbering begins anew
    under the next epoch.
    Before an abort nothing may be in flight any more: in the older way it would be written behind the marker.
    EndTxn is asked again until it is answered: asking twice for the same end is harmless. Where it was asked for a
    commit, and the first final answer is that the producer is fenced, nobody knows what became of the earlier ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

import trio

from odradek.cluster.cluster import Cluster
from odradek.cluster.coordinator import GROUP, Coordinator
from odradek.errors import (
    BadAnswer,
    BrokerError,
    CommitFailed,
    EndedBy,
    IllegalGeneration,
    OdradekError,
    ProducerFenced,
    TransactionAborted,
    TransactionOutcomeUnknown,
    UnknownMember,
)
from odradek.group_position import GroupPosition
from odradek.producer import transaction_requests as requests
from odradek.producer.queue import PartitionQueue
from odradek.producer.transaction_asker import TransactionAsker
from odradek.producer.transaction_state import State, TransactionState
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse
from odradek.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnResponse
from odradek.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.txn_offset_commit import TxnOffsetCommitResponse

FEATURE, NEWER = "transaction.version", 2
"""Where the cluster has this feature at that level, transactions go the newer way."""


class Transactions:
    """Speaks to the transaction coordinator for one producer."""

    def __init__(self, cluster: Cluster, transactional_id: str, timeout_ms: int) -> None:
        self.core = TransactionState()
        self._cluster = cluster
        self._transactional_id = transactional_id
        self._timeout_ms = timeout_ms
        self._asker = TransactionAsker(cluster, transactional_id, timeout_ms, self.core)

    # ------------------------------------------------------------------------------------------ one after another

    async def start(self, timeout_s: float) -> None:
        """Fence earlier producers of this id, and end what they have left open.

        Raises what is final, and what was said last when the time is over.
        """
        await self._renew_identity(timeout_s)

    async def settle(self) -> None:
        """Let what an earlier transaction has left behind be over. Raises ProducerFenced."""
        self.core.check_not_fenced()
        if self.core.state is State.UNSETTLED:
            await self._renew_identity()
            self.core.state = State.IDLE

    async def begin(self) -> None:
        """Only once the one before is settled. Raises ProducerFenced, RuntimeError where one is open."""
        self.core.check_not_fenced()
        if self.core.state is not State.IDLE:
            raise RuntimeError("one transaction at a time")
        is_newer = self._cluster.features.get(FEATURE, 0) >= NEWER
        if is_newer and not self.core.is_newer and self.core.number:
            await self._renew_identity()  # so that nothing of the older way is late under the same epoch
        self.core.begin(trio.current_time(), is_newer=is_newer)

    async def admit(self, queues: Collection[PartitionQueue]) -> None:
        """Make their partitions part of the transaction, and let them number their batches.

        Raises TransactionAborted where none is open. Has done nothing where the transaction ended meanwhile.
        """
        self.core.check_open(self.core.number)
        new = self.core.not_added(queues)
        if new:
            request = requests.add_partitions(self._transactional_id, self.core, new)
            code_of, last = requests.added_code, requests.LAST_ADD_PARTITIONS_VERSION
            self.core.may_be_begun = True
            try:
                await self._asker.add(self._asker.coordinator, request, AddPartitionsToTxnResponse, code_of, last)
            except TransactionAborted:
                return
            self.core.added.update(new)
        self.core.admit(queues)

    async def add_offsets(self, position: GroupPosition) -> None:
        """Let the group's offsets be committed with the transaction.

        Raises TransactionAborted where it ends meanwhile, and CommitFailed where the member has lost its place
        in the group: then the records belong to another one.
        """
        core, coordinator = self.core, Coordinator(self._cluster, GROUP, position.group)
        core.check_open(core.number)
        core.may_be_begun = True
        if not core.is_newer:
            request = AddOffsetsToTxnRequest(self._transactional_id, core.producer_id, core.epoch, position.group)
            await self._asker.add(self._asker.coordinator, request, AddOffsetsToTxnResponse, _code)
        offsets = requests.commit_offsets(self._transactional_id, core, position)
        last = requests.last_offset_commit_version(is_newer=core.is_newer)
        try:
            await self._asker.add(coordinator, offsets, TxnOffsetCommitResponse, requests.committed_code, last)
        except (IllegalGeneration, UnknownMember) as error:
            raise CommitFailed(f"the group {position.group} has rebalanced: {error.code.name}") from error

    async def commit(self, doubt: OdradekError | None = None) -> None:
        """When it is cancelled, it is not known whether the transaction was committed.

        `doubt`: what became of asking before, where that was given up. Raises ProducerFenced and TransactionAborted
        where it surely was not, TransactionOutcomeUnknown where an earlier attempt may have been carried out.
        """
        self.core.leave()
        doubts: list[OdradekError] = [] if doubt is None else [doubt]
        try:
            await self._end(committed=True, on_failure=doubts.append)
        except ProducerFenced as error:
            if doubts and error.by is not EndedBy.TIMEOUT:
                raise TransactionOutcomeUnknown(_unknown(self._transactional_id, doubts[0], error)) from error
            raise
        except BrokerError as error:
            if error.code is ErrorCode.INVALID_TXN_STATE:  # it has ended, and not by a commit
                raise self._asker.aborted(await self._asker.who()) from error
            raise
        self.core.state = State.IDLE

    async def abort(self) -> None:
        """And begin numbering anew.

        Raises ProducerFenced where the producer cannot go on, and TransactionAborted where it can, though somebody else
        has ended the transaction.
        """
        core = self.core
        if core.state is State.FENCED:
            return
        core.leave()
        by = await self._asker.who() if core.is_contested else None
        if by is EndedBy.EXPIRATION:
            core.ended()
        was_begun = core.may_be_begun
        await self._end(committed=False)
        if not (core.is_newer and was_begun):
            await self._renew_identity()
        core.state = State.IDLE
        if by is not None:
            raise self._asker.aborted(by)

    async def _end(self, *, committed: bool, on_failure: Callable[[OdradekError], None] = lambda _: None) -> None:
        core = self.core
        if not core.may_be_begun:
            return
        request = EndTxnRequest(self._transactional_id, core.producer_id, core.epoch, committed)
        last = requests.last_end_version(is_newer=core.is_newer)
        answer = await self._asker.ask(request, EndTxnResponse, _code, last, on_failure=on_failure)
        core.ended()
        if core.is_newer:
            self._identified(answer.producer_id, answer.producer_epoch)

    async def _renew_identity(self, timeout_s: float = math.inf) -> None:
        """A new epoch, or at first an identity. Ends what is open."""
        core = self.core
        request = InitProducerIdRequest(self._transactional_id, self._timeout_ms, core.producer_id, core.epoch)
        last = requests.LAST_INIT_PRODUCER_ID_VERSION
        answer = await self._asker.ask(request, InitProducerIdResponse, _code, last, timeout_s=timeout_s)
        self._identified(answer.producer_id, answer.producer_epoch)

    def _identified(self, producer_id: int, epoch: int) -> None:
        if producer_id < 0 or epoch < 0:
            raise BadAnswer(f"producer id {producer_id}, epoch {epoch}")
        self.core.identified(producer_id, epoch)


def _unknown(transactional_id: str, doubt: OdradekError, error: ProducerFenced) -> str:
    return (
        f"whether the last transaction of {transactional_id} was committed is not known: it was asked for and not "
        f"answered ({doubt}), and then {error}"
    )


def _code(answer: AddOffsetsToTxnResponse | EndTxnResponse | InitProducerIdResponse) -> int:
    return answer.error_code
