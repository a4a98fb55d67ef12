"""A transactional producer that knows frames only, in the older way and in the newer one (KIP-890)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import trio
from msgspec import Struct, structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import ApiMessage
from odradek.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse
from odradek.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
)
from odradek.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from odradek.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
)
from odradek.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from tests.server.served_broker import Peer, Served

A = TypeVar("A", bound=Struct)
WAIT = ErrorCode.CONCURRENT_TRANSACTIONS


async def ask_again(peer: Peer, request: ApiMessage, kind: type[A], version: int, code_of: Callable[[A], int]) -> A:
    """The answer, once it is not that an earlier transaction is still ending; only asking again shows that."""
    while True:
        response = await peer.ask(request, kind, version)
        if code_of(response) != WAIT:
            return response
        await trio.sleep(0.01)


class Transacting:
    """One producer. Calls answer with error codes; waiting for an earlier end is done as clients do it."""

    def __init__(self, peer: Peer, transactional_id: str = "tx", *, newer: bool = True) -> None:
        self.peer = peer
        self.transactional_id = transactional_id
        self.newer = newer
        self.producer_id = self.epoch = -1
        self.sequences: dict[tuple[str, int], int] = {}

    async def init(self, timeout_ms: int = 60_000, *, keeps: bool = False) -> int:
        """`keeps`: go on with the id and epoch it has."""
        has = (self.producer_id, self.epoch) if keeps else (-1, -1)
        request = InitProducerIdRequest(self.transactional_id, timeout_ms, *has)
        response = await ask_again(self.peer, request, InitProducerIdResponse, 5, lambda answer: answer.error_code)
        if not response.error_code:
            self.producer_id, self.epoch = response.producer_id, response.producer_epoch
            self.sequences.clear()
        return response.error_code

    async def add(self, *partitions: int, topic: str = "t") -> int:
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.transactional_id,
            v3_and_below_producer_id=self.producer_id,
            v3_and_below_producer_epoch=self.epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(topic, partitions)],
        )
        return _first_code(await ask_again(self.peer, request, AddPartitionsToTxnResponse, 3, _first_code))

    def batch(self, value: bytes, topic: str = "t", partition: int = 0) -> ProduceRequest:
        sequence = self.sequences.get((topic, partition), 0)
        records = build_batch(
            [Record(timestamp=int(time.time() * 1000), value=value)],
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            base_sequence=sequence,
            is_transactional=True,
        )
        data = TopicProduceData(topic, partition_data=[PartitionProduceData(partition, records)])
        return ProduceRequest(self.transactional_id, -1, 5_000, [data])

    async def send(self, value: bytes, *, topic: str = "t", partition: int = 0) -> int:
        """In the older way the partition must have been added."""
        version = 12 if self.newer else 11
        request = self.batch(value, topic, partition)
        response = await ask_again(self.peer, request, ProduceResponse, version, _produced_code)
        code = _produced_code(response)
        if not code:
            key = (topic, partition)
            self.sequences[key] = self.sequences.get(key, 0) + 1
        return code

    async def end(self, *, commit: bool = True) -> int:
        request = EndTxnRequest(self.transactional_id, self.producer_id, self.epoch, commit)
        response = await self.peer.ask(request, EndTxnResponse, 5 if self.newer else 4)
        if self.newer and not response.error_code:
            self.producer_id, self.epoch = response.producer_id, response.producer_epoch
            self.sequences.clear()
        return response.error_code

    async def add_offsets(self, group: str) -> int:
        request = AddOffsetsToTxnRequest(self.transactional_id, self.producer_id, self.epoch, group)
        answer = await ask_again(self.peer, request, AddOffsetsToTxnResponse, 3, lambda answer: answer.error_code)
        return answer.error_code

    async def commit_offset(self, group: str, offset: int) -> int:
        topics = [TxnOffsetCommitRequestTopic("t", partitions=[TxnOffsetCommitRequestPartition(0, offset)])]
        request = TxnOffsetCommitRequest(self.transactional_id, group, self.producer_id, self.epoch, topics=topics)
        version = 5 if self.newer else 4
        return _stored_code(await ask_again(self.peer, request, TxnOffsetCommitResponse, version, _stored_code))

    async def marker(self, *, commit: bool, epoch: int, version: int = 2, transaction_version: int = 2) -> int:
        """As a coordinator would write it to partition 0."""
        marker = WritableTxnMarker(
            self.producer_id, epoch, commit, [WritableTxnMarkerTopic("t", [0])], 0, transaction_version
        )
        response = await self.peer.ask(WriteTxnMarkersRequest([marker]), WriteTxnMarkersResponse, version)
        return response.markers[0].topics[0].partitions[0].error_code


def _first_code(answer: AddPartitionsToTxnResponse) -> int:
    return answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code


def _produced_code(answer: ProduceResponse) -> int:
    return answer.responses[0].partition_responses[0].error_code


def _stored_code(answer: TxnOffsetCommitResponse) -> int:
    return answer.topics[0].partitions[0].error_code


async def transacting(served: Served, transactional_id: str = "tx", *, newer: bool = True) -> Transacting:
    """A producer that has found its coordinator, and not yet got an id."""
    peer = await served.connect()
    for key, kind in (("g", 0), (transactional_id, 1)):
        response = await peer.ask(FindCoordinatorRequest(key, kind), FindCoordinatorResponse, 3)
        assert response.error_code == ErrorCode.NONE
    return Transacting(peer, transactional_id, newer=newer)


async def read(peer: Peer, *, committed: bool = True, partition: int = 0, topic: str = "t") -> PartitionData:
    wanted = FetchPartition(partition=partition, fetch_offset=0, partition_max_bytes=1 << 20)
    request = FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        isolation_level=int(committed),
        topics=[FetchTopic(topic=topic, partitions=[wanted])],
    )
    return (await peer.ask(request, FetchResponse, 11)).responses[0].partitions[0]


async def until_stable(peer: Peer, partition: int = 0) -> None:
    """Until no transaction is open in the partition: a fetch for what is behind it waits for that."""
    wanted = FetchPartition(partition=partition, partition_max_bytes=1 << 20)
    with trio.fail_after(10):
        while True:
            data = await read(peer, partition=partition)
            if data.last_stable_offset == data.high_watermark:
                return
            behind = FetchTopic("t", partitions=[structs.replace(wanted, fetch_offset=data.last_stable_offset)])
            request = FetchRequest(max_wait_ms=5_000, min_bytes=1, isolation_level=1, topics=[behind])
            await peer.ask(request, FetchResponse, 11)
