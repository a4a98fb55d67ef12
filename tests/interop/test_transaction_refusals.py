"""Transactional requests that no well-behaved producer sends: each has Kafka's own answer.

The table says what Apache Kafka 4.4.0 answers; run with ODRADEK_INTEROP_BROKER=kafka it is held to that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from odradek.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from odradek.protocol.messages.describe_transactions import DescribeTransactionsRequest
from odradek.protocol.messages.end_txn import EndTxnRequest
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest
from odradek.protocol.messages.list_transactions import ListTransactionsRequest
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from odradek.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from odradek.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from referee import BrokerProcess
from tests.interop.frames import Peer as Asking

TOPIC = "transaction-refusals"
GROUP = "transaction-refusals-group"
OLDER, NEWER = 4, 5
"""Versions of EndTxn."""
numbers = iter(range(10_000))


class Has(NamedTuple):
    """The id and epoch of a producer, and under which transactional id."""

    name: str
    producer_id: int
    epoch: int

    def but(self, **other: Any) -> Has:
        return self._replace(**other)


class Peer:
    """Asks, and picks the code out of the answer; an earlier end that is on its way is waited for."""

    def __init__(self, bootstrap: str) -> None:
        self._asking = Asking(bootstrap)

    def ask(self, request: Any, version: int) -> Any:
        return self._asking.ask(request, version)

    def find(self, key: str, kind: int) -> None:
        deadline = time.monotonic() + 30
        while self.ask(FindCoordinatorRequest(key, kind), 3).error_code:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def patiently(self, ask: Callable[[], int]) -> int:
        deadline = time.monotonic() + 30
        not_yet = {
            ErrorCode.CONCURRENT_TRANSACTIONS,
            ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode.NOT_COORDINATOR,
            ErrorCode.NOT_ENOUGH_REPLICAS,
            ErrorCode.COORDINATOR_NOT_AVAILABLE,
        }
        while (code := ask()) in not_yet and time.monotonic() < deadline:
            time.sleep(0.02)
        return code

    def init(
        self, name: str | None, timeout_ms: int = 60_000, has: tuple[int, int] = (-1, -1), version: int = 4
    ) -> int:
        request = InitProducerIdRequest(name, timeout_ms, *has)
        return self.patiently(lambda: self.ask(request, version).error_code)

    def new(self) -> Has:
        """A producer that has begun nothing, in its third epoch."""
        name = f"refused-{next(numbers)}"
        self.find(name, 1)
        for _ in range(3):
            assert self.init(name) == 0
        answer = self.ask(InitProducerIdRequest(name, 60_000), 4)
        assert answer.error_code == 0
        return Has(name, answer.producer_id, answer.producer_epoch)

    def open(self) -> Has:
        """A producer whose transaction has partition 0."""
        has = self.new()
        assert self.add(has) == 0
        return has

    def ended(self, version: int, *, commit: bool) -> Has:
        """A producer whose transaction has ended; with the epoch that it had then."""
        has = self.open()
        assert self.end(has, version, commit=commit) == 0
        self.patiently(lambda: int(self._is_ending(has)) * ErrorCode.CONCURRENT_TRANSACTIONS)
        return has

    def _is_ending(self, has: Has) -> bool:
        answer = self.ask(DescribeTransactionsRequest([has.name]), 0)
        return bool(answer.transaction_states[0].transaction_state.startswith("Prepare"))

    def add(self, has: Has, *partitions: int, topic: str = TOPIC, version: int = 3) -> int:
        request = AddPartitionsToTxnRequest((), *has, [AddPartitionsToTxnTopic(topic, partitions or (0,))])
        return self.patiently(lambda: self._added(request, version))

    def _added(self, request: AddPartitionsToTxnRequest, version: int) -> int:
        (topic,) = self.ask(request, version).results_by_topic_v3_and_below
        asked = request.v3_and_below_topics[0].partitions[-1]
        found = (one for one in topic.results_by_partition if one.partition_index == asked)
        return int(next(found).partition_error_code)

    def end(self, has: Has, version: int, *, commit: bool = True) -> int:
        return self.patiently(lambda: self.ask(EndTxnRequest(*has, commit), version).error_code)

    def send(
        self, has: Has, version: int, *, sequence: int = 0, name: str | None = "", transactional: bool = True
    ) -> int:
        batch = build_batch(
            [Record(timestamp=int(time.time() * 1000), value=b"v")],
            producer_id=has.producer_id,
            producer_epoch=has.epoch,
            base_sequence=sequence,
            is_transactional=transactional,
        )
        data = TopicProduceData(TOPIC, partition_data=[PartitionProduceData(0, batch)])
        request = ProduceRequest(has.name if name == "" else name, -1, 5_000, [data])
        return self.patiently(lambda: self.ask(request, version).responses[0].partition_responses[0].error_code)

    def add_offsets(self, has: Has, version: int = 3) -> int:
        return self.patiently(lambda: self.ask(AddOffsetsToTxnRequest(*has, GROUP), version).error_code)

    def stage(self, has: Has, version: int = 3, **member: Any) -> int:
        topics = [TxnOffsetCommitRequestTopic(TOPIC, partitions=[TxnOffsetCommitRequestPartition(0, 5)])]
        request = TxnOffsetCommitRequest(has.name, GROUP, has.producer_id, has.epoch, topics=topics, **member)
        return self.patiently(lambda: self.ask(request, version).topics[0].partitions[0].error_code)

    def mark(self, has: Has, *, version: int = 1, coordinator_epoch: int = 0, partition: int = 0, tv: int = 0) -> int:
        marker = WritableTxnMarker(
            has.producer_id, has.epoch, False, [WritableTxnMarkerTopic(TOPIC, [partition])], coordinator_epoch, tv
        )
        answer = self.ask(WriteTxnMarkersRequest([marker]), version)
        return int(answer.markers[0].topics[0].partitions[0].error_code)


def after(has: Has) -> Has:
    return has.but(epoch=has.epoch + 1)


def before(has: Has) -> Has:
    return has.but(epoch=has.epoch - 1)


def other(has: Has) -> Has:
    return has.but(producer_id=has.producer_id + 5_000)


def unknown(has: Has) -> Has:
    return has.but(name=f"{has.name}-unknown")


def sent(peer: Peer) -> Has:
    has = peer.open()
    assert peer.send(has, 10) == 0
    return has


Row: TypeAlias = Callable[[Peer], int]

CASES: dict[str, tuple[int, Row]] = {
    "init: empty id": (42, lambda p: p.init("")),
    "init: a producer id without an epoch": (42, lambda p: p.init("x", has=(5, -1))),
    "init: timeout 0": (50, lambda p: p.init("x", 0)),
    "init: negative timeout": (50, lambda p: p.init("x", -1)),
    "init: timeout too large": (50, lambda p: p.init("x", 900_001)),
    "init: old epoch": (90, lambda p: p.init((h := p.new()).name, has=before(before(h))[1:])),
    "init: old epoch, older version": (47, lambda p: p.init((h := p.new()).name, has=before(before(h))[1:], version=3)),
    "init: future epoch": (90, lambda p: p.init((h := p.new()).name, has=after(h)[1:])),
    "init: wrong producer id": (90, lambda p: p.init((h := p.new()).name, has=other(h)[1:])),
    "init: wrong producer id over an open transaction": (90, lambda p: p.init((h := p.open()).name, has=other(h)[1:])),
    "init: the right one": (0, lambda p: p.init((h := p.new()).name, has=h[1:])),
    "add: unknown id": (49, lambda p: p.add(unknown(p.new()))),
    "add: empty id": (42, lambda p: p.add(p.new().but(name=""))),
    "add: wrong producer id": (49, lambda p: p.add(other(p.new()))),
    "add: old epoch": (90, lambda p: p.add(before(p.new()))),
    "add: old epoch, older version": (47, lambda p: p.add(before(p.new()), version=1)),
    "add: future epoch": (90, lambda p: p.add(after(p.new()))),
    "add: no such partition": (3, lambda p: p.add(p.new(), 77)),
    "add: beside no such partition": (55, lambda p: p.add(p.new(), 77, 0)),
    "add: a coordinator's topic": (29, lambda p: p.add(p.new(), topic="__consumer_offsets")),
    "offsets: unknown id": (49, lambda p: p.add_offsets(unknown(p.new()))),
    "offsets: old epoch": (90, lambda p: p.add_offsets(before(p.new()))),
    "offsets: old epoch, older version": (47, lambda p: p.add_offsets(before(p.new()), version=1)),
    "end: unknown id": (49, lambda p: p.end(unknown(p.new()), OLDER)),
    "end: empty id": (42, lambda p: p.end(p.new().but(name=""), OLDER)),
    "end: wrong producer id": (49, lambda p: p.end(other(p.open()), OLDER)),
    "end: old epoch": (90, lambda p: p.end(before(p.open()), OLDER)),
    "end: old epoch, older version": (47, lambda p: p.end(before(p.open()), 1)),
    "end: future epoch": (90, lambda p: p.end(after(p.open()), OLDER)),
    "end: nothing, commit": (48, lambda p: p.end(p.new(), OLDER)),
    "end: nothing, abort": (48, lambda p: p.end(p.new(), OLDER, commit=False)),
    "end: twice, commit": (0, lambda p: p.end(p.ended(OLDER, commit=True), OLDER)),
    "end: twice, abort": (0, lambda p: p.end(p.ended(OLDER, commit=False), OLDER, commit=False)),
    "end: commit, then abort": (48, lambda p: p.end(p.ended(OLDER, commit=True), OLDER, commit=False)),
    "end: abort, then commit": (48, lambda p: p.end(p.ended(OLDER, commit=False), OLDER)),
    "end 5: unknown id": (49, lambda p: p.end(unknown(p.new()), NEWER)),
    "end 5: wrong producer id": (49, lambda p: p.end(other(p.open()), NEWER)),
    "end 5: old epoch": (90, lambda p: p.end(before(p.open()), NEWER)),
    "end 5: future epoch": (90, lambda p: p.end(after(p.open()), NEWER)),
    "end 5: nothing, commit": (48, lambda p: p.end(p.new(), NEWER)),
    "end 5: nothing, abort": (0, lambda p: p.end(p.new(), NEWER, commit=False)),
    "end 5: nothing, abort, old epoch": (90, lambda p: p.end(before(p.new()), NEWER, commit=False)),
    "end 5: again, commit": (0, lambda p: p.end(p.ended(NEWER, commit=True), NEWER)),
    "end 5: again, abort": (0, lambda p: p.end(p.ended(NEWER, commit=False), NEWER, commit=False)),
    "end 5: commit, then abort": (48, lambda p: p.end(p.ended(NEWER, commit=True), NEWER, commit=False)),
    "end 5: abort, then commit": (48, lambda p: p.end(p.ended(NEWER, commit=False), NEWER)),
    "end 5: next, commit, nothing": (48, lambda p: p.end(after(p.ended(NEWER, commit=True)), NEWER)),
    "end 5: next, abort, nothing": (0, lambda p: p.end(after(p.ended(NEWER, commit=True)), NEWER, commit=False)),
    "send: not added": (48, lambda p: p.send(p.new(), 10)),
    "send: not added, version 11": (120, lambda p: p.send(p.new(), 11)),
    "send: not added, version 12": (0, lambda p: p.send(p.new(), 12)),
    "send: after the end": (48, lambda p: p.send(p.ended(OLDER, commit=True), 10)),
    "send: wrong producer id": (49, lambda p: p.send(other(p.open()), 10)),
    "send: wrong producer id, version 12": (49, lambda p: p.send(other(p.open()), 12)),
    "send: old epoch": (47, lambda p: p.send(before(sent(p)), 10)),
    "send: old epoch, not known here": (47, lambda p: p.send(before(p.open()), 10)),
    "send: old epoch, version 12": (47, lambda p: p.send(before(sent(p)), 12)),
    "send: unknown id": (49, lambda p: p.send(unknown(p.open()), 10)),
    "send: no id": (53, lambda p: p.send(p.open(), 10, name=None)),
    "send: a gap": (45, lambda p: p.send(sent(p), 10, sequence=5)),
    "send: again": (0, lambda p: p.send(sent(p), 10)),
    "send: without a transaction, within one": (48, lambda p: p.send(sent(p), 10, sequence=1, transactional=False)),
    "stage: not added": (48, lambda p: p.stage(p.new())),
    "stage: not added, version 4": (120, lambda p: p.stage(p.new(), version=4)),
    "stage: not added, version 5": (0, lambda p: p.stage(p.new(), version=5)),
    "stage: old epoch, version 5": (47, lambda p: p.stage(before(p.new()), version=5)),
    "stage: wrong producer id, version 5": (49, lambda p: p.stage(other(p.new()), version=5)),
    "stage: a generation that is none": (
        25,
        lambda p: p.stage(h, generation_id_or_member_epoch=7, member_id="m") if not p.add_offsets(h := p.new()) else -1,
    ),
    "mark: no such partition": (3, lambda p: p.mark(p.new(), partition=77)),
    "mark: old epoch": (47, lambda p: p.mark(before(sent(p)))),
    "mark: old coordinator": (52, lambda p: p.mark(h, coordinator_epoch=-1) if not p.mark(h := sent(p)) else -1),
    "mark 2: late": (47, lambda p: p.mark(sent(p), version=2, tv=2)),
    "describe: empty id": (42, lambda p: p.ask(DescribeTransactionsRequest([""]), 0).transaction_states[0].error_code),
    "describe: unknown id": (
        105,
        lambda p: p.ask(DescribeTransactionsRequest(["no-such-id"]), 0).transaction_states[0].error_code,
    ),
    "list: a pattern that is none": (
        128,
        lambda p: p.ask(ListTransactionsRequest(transactional_id_pattern="["), 2).error_code,
    ),
}


@pytest.fixture(scope="module")
def peer(broker: BrokerProcess) -> Peer:
    """Of a broker that has the topic, and coordinates groups and transactions already."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(TOPIC, 2, 1)])[TOPIC].result(30)
    peer = Peer(broker.bootstrap)
    for key, kind in ((GROUP, 0), ("x", 1), ("", 1), ("no-such-id", 1)):
        peer.find(key, kind)
    peer.new()
    return peer


def test_requests_about_transactions_are_answered_as_kafka_answers_them(peer: Peer) -> None:
    answers = {name: ErrorCode.from_code(row(peer)).name for name, (_, row) in CASES.items()}
    assert answers == {name: ErrorCode.from_code(code).name for name, (code, _) in CASES.items()}
