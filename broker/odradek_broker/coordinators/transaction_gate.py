"""What a partition asks before it takes the first batch of a transaction: does it belong to one (KIP-890)?

The coordinator of the transactional id knows. With transaction version 2 the partition is added to the transaction by
this very question; before, its producer has had to add it. While the end of the last transaction is on its way, the
question is asked again for a moment.

Invariant
    Between the coordinator's yes and the append lies no marker: else the batch would open a transaction that nobody
    ever ends. `Partition.admissions` has an object for as long; the marker takes it away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Protocol

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.controller.image import TRANSACTION_TOPIC
from odradek_broker.coordination.partitioning import coordinator_partition
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.metadata.broker_peers import BrokerPeers
from odradek_broker.metadata.peer import PeerUnreachable
from odradek_broker.partitions.partition import Admission
from odradek_broker.transactions.transaction import EPOCH_BUMPS, ProducerIdAndEpoch

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.partitions.partition import Partition

VERSION = 5
ANSWER_SECONDS = 10.0
PATIENCE_SECONDS = 0.1
"""How long the end of the last transaction is waited for before the client is told to come again."""
BACKOFF_SECONDS = 0.02

_METADATA_BEHIND = {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.OPERATION_NOT_ATTEMPTED}

Answers = dict[TopicPartition, ErrorCode]


class Coordinating(Protocol):
    """The coordinators of this broker. Both raise CoordinatorUnavailable."""

    async def verify(
        self, transactional_id: str, producer: ProducerIdAndEpoch, partitions: Collection[TopicPartition]
    ) -> Answers: ...

    async def add_partitions(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partitions: Collection[TopicPartition],
        client_version: int,
    ) -> ErrorCode: ...


class TransactionGate:
    """One for a broker."""

    def __init__(self, context: NodeContext, coordinators: Coordinating) -> None:
        self._context = context
        self._coordinators = coordinators
        self._peers = BrokerPeers(context, "transaction-gate")

    def close(self) -> None:
        self._peers.close()

    async def admit(
        self, transactional_id: str, producer: ProducerIdAndEpoch, partitions: Iterable[Partition], *, adds: bool
    ) -> Answers:
        """For each partition NONE, or why the batch must not be appended, in the coordinator's words.

        It holds until the caller waits for anything. `adds`: let them belong to the transaction by that.
        """
        asked = {TopicPartition(each.topic, each.index): each for each in partitions}
        deadline = trio.current_time() + PATIENCE_SECONDS
        while True:
            answers = await self._ask_once(transactional_id, producer, asked, adds=adds)
            if ErrorCode.CONCURRENT_TRANSACTIONS not in answers.values() or trio.current_time() >= deadline:
                return answers
            await trio.sleep(BACKOFF_SECONDS)

    async def _ask_once(
        self, transactional_id: str, producer: ProducerIdAndEpoch, asked: dict[TopicPartition, Partition], *, adds: bool
    ) -> Answers:
        """The token is given out for each question: the marker of the transaction before may come between two."""
        producer_id, answers = producer.producer_id, Answers()
        tokens = {key: each.admissions.setdefault(producer_id, Admission()) for key, each in asked.items()}
        for token in tokens.values():
            token.asking += 1
        try:
            answers = await self._ask(transactional_id, producer, list(asked), adds=adds)
        except CoordinatorUnavailable as unavailable:
            answers = dict.fromkeys(asked, unavailable.error_code)
        finally:  # also where nobody waits for the answer any more
            for key, partition in asked.items():
                error = answers.setdefault(key, ErrorCode.COORDINATOR_NOT_AVAILABLE)
                token = tokens[key]
                token.asking -= 1
                token.holds |= not error
                if partition.admissions.get(producer_id) is not token:
                    answers[key] = error or ErrorCode.TRANSACTION_ABORTABLE
                elif not token.asking and not token.holds:
                    del partition.admissions[producer_id]
        return answers

    async def _ask(
        self, transactional_id: str, producer: ProducerIdAndEpoch, asked: list[TopicPartition], *, adds: bool
    ) -> Answers:
        leader = self._leader(transactional_id)
        if leader != self._context.node_id:
            return await self._ask_elsewhere(leader, transactional_id, producer, asked, adds=adds)
        if not adds:
            return await self._coordinators.verify(transactional_id, producer, asked)
        error = await self._coordinators.add_partitions(transactional_id, producer, asked, EPOCH_BUMPS)
        return dict.fromkeys(asked, error)

    async def _ask_elsewhere(
        self,
        leader: int,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        asked: list[TopicPartition],
        *,
        adds: bool,
    ) -> Answers:
        peer = self._peers.get(leader)
        if peer is None:
            raise CoordinatorUnavailable(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        topics: dict[str, list[int]] = {}
        for topic, index in asked:
            topics.setdefault(topic, []).append(index)
        entries = [AddPartitionsToTxnTopic(*entry) for entry in topics.items()]
        transaction = AddPartitionsToTxnTransaction(
            transactional_id, producer.producer_id, producer.epoch, verify_only=not adds, topics=entries
        )
        request = AddPartitionsToTxnRequest(transactions=[transaction])
        try:
            response = await peer.ask(request, AddPartitionsToTxnResponse, VERSION, ANSWER_SECONDS)
        except PeerUnreachable:
            raise CoordinatorUnavailable(ErrorCode.COORDINATOR_NOT_AVAILABLE) from None
        if response.error_code:
            raise CoordinatorUnavailable(ErrorCode.from_code(response.error_code))
        return {
            TopicPartition(topic.name, each.partition_index): _said(each.partition_error_code)
            for result in response.results_by_transaction
            for topic in result.topic_results
            for each in topic.results_by_partition
        }

    def _leader(self, transactional_id: str) -> int:
        topic = self._context.image.topics.get(TRANSACTION_TOPIC)
        if topic is None:
            raise CoordinatorUnavailable(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        return topic.partitions[coordinator_partition(transactional_id, len(topic.partitions))].leader


def _said(code: int) -> ErrorCode:
    """A coordinator that does not know a partition of ours hears of it soon."""
    error = ErrorCode.from_code(code)
    return ErrorCode.COORDINATOR_NOT_AVAILABLE if error in _METADATA_BEHIND else error
