"""Transactions: which there are, what they hold up, and how to end one (KIP-664).

A transaction holds up, in each of its partitions, whoever reads committed records: from its first record on. It hangs
where its coordinator does not know that the partition belongs to it, so that nobody will ever end it there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from odradek.admin.base import AdminBase
from odradek.cluster.coordinator import TRANSACTION, Coordinator
from odradek.cluster.leaders import ask_until_all_answer
from odradek.errors import BadAnswer, BrokerError, OdradekError, broker_error, raise_for
from odradek.offsets import LATEST, list_offsets
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import describe_producers as producers
from odradek.protocol.messages import describe_transactions as transactions
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from odradek.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from odradek.protocol.topic_partition import TopicPartition

LAST_EPOCH = 2**15 - 1
EPOCH_BUMPS, SAYS_ITS_VERSION = 2, 2
"""The transaction version in which each marker has an epoch of its own, and the version of the request that says so."""
ABORT_TIMEOUT_MS = 60_000

HANGS_AFTER_MS = 900_000
"""Kafka's transaction.max.timeout.ms: none is open for longer, where somebody sees to it."""

OPEN_STATES = frozenset({"Ongoing", "PrepareCommit", "PrepareAbort"})


class TransactionListing(Struct, frozen=True):
    """One transactional id."""

    transactional_id: str
    state: str
    producer_id: int
    coordinator: int
    """The node id of its coordinator."""


class TransactionDescription(Struct, frozen=True):
    """One transactional id, and its present transaction, if there is one."""

    transactional_id: str
    state: str
    producer_id: int
    producer_epoch: int
    timeout_ms: int
    start_ms: int | None
    """When the transaction began, by the coordinator's clock; None where none is open."""
    partitions: tuple[TopicPartition, ...]


class ProducerDescription(Struct, frozen=True):
    """A producer that a partition remembers."""

    producer_id: int
    producer_epoch: int
    last_sequence: int
    last_timestamp_ms: int
    """Of its last batch; -1 where there is none."""
    coordinator_epoch: int
    transaction_start: int | None
    """The first offset of its open transaction; None where none is open."""


class OpenTransaction(Struct, frozen=True):
    """A transaction that is open in a partition."""

    partition: TopicPartition
    producer: ProducerDescription
    blocked: int
    """Offsets from its beginning to the high watermark: what nobody gets who reads committed records."""


class TransactionAdmin(AdminBase):
    """Transactions and their producers."""

    async def list_transactions(
        self,
        *,
        states: Collection[str] = (),
        producer_ids: Collection[int] = (),
        running_for_ms: int = -1,
        pattern: str | None = None,
    ) -> list[TransactionListing]:
        """Those of all coordinators, by id. `running_for_ms`: open for longer; `pattern`: a regular expression for ids.

        Raises CoordinatorUnavailable while a coordinator loads.
        """
        request = ListTransactionsRequest(list(states), list(producer_ids), running_for_ms, pattern)
        found: dict[str, TransactionListing] = {}
        await self._cluster.refresh()
        for node_id in sorted(self._cluster.image.brokers):
            answer = await self._cluster.request(node_id, request, ListTransactionsResponse)
            raise_for(answer.error_code, f"broker {node_id}")
            if answer.unknown_state_filters:
                raise ValueError(f"there is no state {', '.join(answer.unknown_state_filters)}")
            for each in answer.transaction_states:
                found[each.transactional_id] = TransactionListing(
                    each.transactional_id, each.transaction_state, each.producer_id, node_id
                )
        return [found[each] for each in sorted(found)]

    async def describe_transaction(self, transactional_id: str) -> TransactionDescription:
        """Raises BrokerError with TRANSACTIONAL_ID_NOT_FOUND."""
        answer = await self._transaction_coordinator(transactional_id).ask_until_answered(
            transactions.DescribeTransactionsRequest([transactional_id]),
            transactions.DescribeTransactionsResponse,
            lambda answer: next((each.error_code for each in answer.transaction_states), 0),
            timeout_s=self._timeout_s,
        )
        if not answer.transaction_states:
            raise BadAnswer(f"the coordinator of {transactional_id} says nothing of it")
        raise_for(answer.transaction_states[0].error_code, transactional_id)
        return _description(answer.transaction_states[0])

    async def describe_producers(
        self, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, list[ProducerDescription]]:
        """Whom the leaders of partitions remember. Raises UnknownTopicOrPartition."""
        wanted = dict.fromkeys(partitions, None)
        return await ask_until_all_answer(self._cluster, wanted, self._ask_for_producers, self._timeout_s)

    async def open_transactions(self, partitions: Collection[TopicPartition]) -> list[OpenTransaction]:
        """What is open in these partitions, and how much each holds up."""
        found = await self.describe_producers(partitions)
        busy = [place for place, known in found.items() if any(one.transaction_start is not None for one in known)]
        ends = await list_offsets(
            self._cluster, dict.fromkeys(busy, LATEST), read_committed=False, timeout_s=self._timeout_s
        )
        return [
            OpenTransaction(place, one, max(0, ends[place].offset - one.transaction_start))
            for place in sorted(busy)
            for one in found[place]
            if one.transaction_start is not None
        ]

    async def find_hanging_transactions(
        self, partitions: Collection[TopicPartition], *, now_ms: int, older_than_ms: int = HANGS_AFTER_MS
    ) -> list[OpenTransaction]:
        """Those whose last record is older, and that no coordinator will end there."""
        suspects = [
            each
            for each in await self.open_transactions(partitions)
            if each.producer.last_timestamp_ms <= now_ms - older_than_ms
        ]
        return [each for each in suspects if await self.owner_of(each) is None]

    async def owner_of(self, transaction: OpenTransaction) -> TransactionDescription | None:
        """Whose it is, by the coordinators; None where none will end it in that partition."""
        for listed in await self.list_transactions(producer_ids=[transaction.producer.producer_id]):
            try:
                owner = await self.describe_transaction(listed.transactional_id)
            except BrokerError as error:
                if error.code is not ErrorCode.TRANSACTIONAL_ID_NOT_FOUND:
                    raise
                continue
            if owner.state in OPEN_STATES and transaction.partition in owner.partitions:
                return owner
        return None

    async def fence_producer(self, transactional_id: str) -> None:
        """Abort what its producer has open, which can do nothing more afterwards: as a newer producer would do it.

        Raises BrokerError with TRANSACTIONAL_ID_NOT_FOUND.
        """
        await self.describe_transaction(transactional_id)
        await self._transaction_coordinator(transactional_id).ask_until_final(
            InitProducerIdRequest(transactional_id, ABORT_TIMEOUT_MS, -1, -1),
            InitProducerIdResponse,
            lambda answer: answer.error_code,
            at_most=5,
            timeout_s=self._timeout_s,
        )

    async def abort_hanging_transaction(self, transaction: OpenTransaction) -> None:
        """Write a marker past the coordinator. Raises ValueError where that will end the transaction by itself.

        Whatever else belongs to such a one would go another way than this partition: `fence_producer` is for it.
        """
        owner = await self.owner_of(transaction)
        if owner is not None:
            raise ValueError(
                f"{transaction.partition} belongs to the transaction of {owner.transactional_id}, which is "
                f"{owner.state}: abort it by that id"
            )
        await ask_until_all_answer(
            self._cluster, {transaction.partition: transaction.producer}, self._write_markers, self._timeout_s
        )

    # -------------------------------------------------------------------------------------------------- inside

    def _transaction_coordinator(self, transactional_id: str) -> Coordinator:
        return Coordinator(self._cluster, TRANSACTION, transactional_id)

    async def _ask_for_producers(
        self, leader: int, partitions: Mapping[TopicPartition, None]
    ) -> dict[TopicPartition, list[ProducerDescription] | OdradekError]:
        topics = [producers.TopicRequest(name, indexes) for name, indexes in _by_topic(partitions).items()]
        answer = await self._cluster.request(
            leader, producers.DescribeProducersRequest(topics), producers.DescribeProducersResponse
        )
        said: dict[TopicPartition, list[ProducerDescription] | OdradekError] = {}
        for topic in answer.topics:
            for each in topic.partitions:
                place = TopicPartition(topic.name, each.partition_index)
                if each.error_code:
                    said[place] = broker_error(each.error_code, str(place))
                else:
                    said[place] = [_producer(one) for one in each.active_producers]
        return said

    async def _write_markers(
        self, leader: int, wanted: Mapping[TopicPartition, ProducerDescription]
    ) -> dict[TopicPartition, bool | OdradekError]:
        """In the newer way the producer's next batch is refused, too; else it would begin a transaction again."""
        connection = await self._cluster.connection(leader)
        raises_epoch = connection.ranges.knows(WriteTxnMarkersRequest, SAYS_ITS_VERSION)
        markers = []
        for place, producer in wanted.items():
            bumps = raises_epoch and producer.producer_epoch < LAST_EPOCH
            markers.append(
                WritableTxnMarker(
                    producer_id=producer.producer_id,
                    producer_epoch=producer.producer_epoch + bumps,
                    topics=[WritableTxnMarkerTopic(place.topic, [place.partition])],
                    coordinator_epoch=max(producer.coordinator_epoch, 0),
                    transaction_version=EPOCH_BUMPS if bumps else 0,
                )
            )
        answer = await connection.request(WriteTxnMarkersRequest(markers), WriteTxnMarkersResponse, self._timeout_s)
        return {
            TopicPartition(topic.name, each.partition_index): broker_error(each.error_code, topic.name)
            if each.error_code
            else True
            for marker in answer.markers
            for topic in marker.topics
            for each in topic.partitions
        }


def _by_topic(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = {}
    for topic, index in partitions:
        topics.setdefault(topic, []).append(index)
    return topics


def _description(said: transactions.TransactionState) -> TransactionDescription:
    return TransactionDescription(
        said.transactional_id,
        said.transaction_state,
        said.producer_id,
        said.producer_epoch,
        said.transaction_timeout_ms,
        said.transaction_start_time_ms if said.transaction_state in OPEN_STATES else None,
        tuple(TopicPartition(topic.topic, index) for topic in said.topics for index in topic.partitions),
    )


def _producer(said: producers.ProducerState) -> ProducerDescription:
    return ProducerDescription(
        said.producer_id,
        said.producer_epoch,
        said.last_sequence,
        said.last_timestamp,
        said.coordinator_epoch,
        said.current_txn_start_offset if said.current_txn_start_offset >= 0 else None,
    )
