"""A fake broker that is a transaction coordinator too: it knows one transactional id, and what is visible."""

from __future__ import annotations

from typing import Any, cast

import trio
from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import (
    add_partitions_to_txn,
    api_versions,
    describe_transactions,
    end_txn,
    init_producer_id,
    produce,
)
from odradek.protocol.records.batch import read_header
from odradek.protocol.records.record import decode_records
from odradek.protocol.registry import request_class
from tests.client.fake_broker import FakeBroker

PRODUCER_ID = 7

Added = add_partitions_to_txn.AddPartitionsToTxnRequest


class TransactionalBroker(FakeBroker):
    """`committed_values` is what a reader of committed records sees; a transaction that is begun anew is aborted."""

    def __init__(self, nursery: trio.Nursery, *, newer: bool = False, **topics: int) -> None:
        """`newer`: transaction.version is 2 (KIP-890)."""
        super().__init__(nursery, **topics)
        self.versions = {key: (request_class(key).VERSIONS[0], request_class(key).VERSIONS[-1]) for key in (24, 26, 65)}
        self.newer = newer
        self.state = "Empty"
        self.asked_in: list[tuple[str, int]] = []
        """Requests of transactions, with their versions."""
        self.committed_values: list[bytes | None] = []
        self.strays: list[bytes | None] = []
        """What was written to partitions that are not part of the transaction."""
        self._epoch = -1
        self._added: set[tuple[str, int]] = set()
        self._pending: list[bytes | None] = []

    async def _InitProducerId(self, request: Any, version: int) -> Any:
        self._epoch += 1
        self._end(committed=False)
        self.state = "Empty"
        return init_producer_id.InitProducerIdResponse(producer_id=PRODUCER_ID, producer_epoch=self._epoch)

    async def _AddPartitionsToTxn(self, request: Added, version: int) -> Any:
        code = self._verdict(request.v3_and_below_producer_epoch)
        if code == ErrorCode.NONE:
            self._added |= {(topic.name, index) for topic in request.v3_and_below_topics for index in topic.partitions}
        return partitions_answered(code, request)

    async def _EndTxn(self, request: end_txn.EndTxnRequest, version: int) -> Any:
        self.asked_in.append(("EndTxn", version))
        if version >= 5 and request.producer_epoch == self._epoch - 1:
            is_done = self.state == ("CompleteCommit" if request.committed else "CompleteAbort")
            code = ErrorCode.NONE if is_done else ErrorCode.INVALID_TXN_STATE
        else:
            code = self._verdict(request.producer_epoch)
            if code == ErrorCode.NONE:
                self._end(committed=request.committed)
                self._epoch += version >= 5
        return end_txn.EndTxnResponse(error_code=code, producer_id=PRODUCER_ID, producer_epoch=self._epoch)

    async def _DescribeTransactions(self, request: Any, version: int) -> Any:
        described = describe_transactions.TransactionState(
            transaction_state=self.state, producer_id=PRODUCER_ID, producer_epoch=self._epoch
        )
        return describe_transactions.DescribeTransactionsResponse(transaction_states=[described])

    async def _ApiVersions(self, request: Any, version: int) -> Any:
        answer = await super()._ApiVersions(request, version)
        level = api_versions.FinalizedFeatureKey("transaction.version", 2, 2)
        return structs.replace(answer, finalized_features_epoch=1, finalized_features=[level] if self.newer else [])

    async def _Produce(self, request: produce.ProduceRequest, version: int) -> Any:
        self.asked_in.append(("Produce", version))
        if version >= 12:
            for topic in request.topic_data:
                name = topic.name or self._name(topic.topic_id)
                self._added |= {(name, data.index) for data in topic.partition_data}
        return await super()._Produce(request, version)

    # --------------------------------------------------------------------------------- what befalls a transaction

    def time_out(self) -> None:
        """The coordinator aborts what is open, and raises the epoch."""
        self._end(committed=False)
        self._epoch += 1

    def let_another_in(self) -> None:
        self._end(committed=False)
        self._epoch += 2
        self.state = "Empty"

    def _append(self, topic: str, data: produce.PartitionProduceData) -> produce.PartitionProduceResponse:
        if self.newer and read_header(cast("bytes", data.records)).producer_epoch != self._epoch:
            return produce.PartitionProduceResponse(data.index, ErrorCode.INVALID_PRODUCER_EPOCH, -1)
        length = len(self.logs[topic, data.index])
        answer = super()._append(topic, data)
        for batch in self.logs[topic, data.index][length:]:
            values = [record.value for record in decode_records(batch)]
            (self._pending if (topic, data.index) in self._added else self.strays).extend(values)
        return answer

    def _verdict(self, epoch: int) -> ErrorCode:
        return ErrorCode.NONE if epoch == self._epoch else ErrorCode.PRODUCER_FENCED

    def _end(self, *, committed: bool) -> None:
        if committed:
            self.committed_values += self._pending
        self._pending.clear()
        self._added.clear()
        self.state = "CompleteCommit" if committed else "CompleteAbort"


def partitions_answered(code: ErrorCode, request: Added) -> add_partitions_to_txn.AddPartitionsToTxnResponse:
    """The same for every partition."""
    return add_partitions_to_txn.AddPartitionsToTxnResponse(
        results_by_topic_v3_and_below=[
            add_partitions_to_txn.AddPartitionsToTxnTopicResult(
                topic.name,
                [add_partitions_to_txn.AddPartitionsToTxnPartitionResult(index, code) for index in topic.partitions],
            )
            for topic in request.v3_and_below_topics
        ]
    )


def unwilling(broker: TransactionalBroker) -> Any:
    """A step of the script: the partitions are not added, as an earlier transaction is still being finished."""

    def step(request: Added, answer: Any) -> Any:
        broker._added.clear()
        return partitions_answered(ErrorCode.CONCURRENT_TRANSACTIONS, request)

    return step
