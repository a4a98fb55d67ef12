"""Between a decision and its markers, and between a yes of the coordinator and an append: seen from inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from odradek.protocol.messages.write_txn_markers import WritableTxnMarker
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.log.appendable import Appended
from odradek_broker.log.validation import Refused
from odradek_broker.partitions.commits import Commit
from odradek_broker.transactions.states import TransactionState
from odradek_broker.transactions.transaction import ProducerIdAndEpoch
from tests.server.served_broker import Served, serving
from tests.server.transacting import Transacting, read, transacting, until_stable

SETTINGS = {"offsets_topic_num_partitions": "1", "transaction_state_log_num_partitions": "1"}
NONE = ErrorCode.NONE


class Refusing:
    """A leader that refuses markers until it is told otherwise."""

    def __init__(self, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error = NONE
        self.refused: list[TopicPartition] = []
        self.has_refused = trio.Event()
        self._really_write = served.broker.markers.write
        monkeypatch.setattr(served.broker.markers, "write", self._write)

    def _write(self, topic: str, index: int, marker: WritableTxnMarker) -> Commit | ErrorCode:
        if self.error:
            self.refused.append(TopicPartition(topic, index))
            self.has_refused.set()
            return self.error
        return self._really_write(topic, index, marker)


async def begun(served: Served, *, newer: bool = True) -> Transacting:
    producer = await transacting(served, newer=newer)
    await producer.peer.make_topic(partitions=2)
    assert await producer.init() == NONE
    return producer


def state(served: Served) -> TransactionState:
    (partition,) = served.broker.transactions._partitions.values()
    return partition.coordinator.transactions["tx"].state


@pytest.mark.parametrize("error", [ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.KAFKA_STORAGE_ERROR])
async def test_a_marker_that_is_refused_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: ErrorCode
) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        leader = Refusing(served, monkeypatch)
        producer = await begun(served)
        await producer.send(b"a")
        await producer.send(b"a", partition=1)
        leader.error = error
        assert await producer.end() == NONE
        await leader.has_refused.wait()
        assert state(served) is TransactionState.PREPARE_COMMIT
        assert (await read(producer.peer)).last_stable_offset == 0
        leader.error = NONE
        assert await producer.send(b"b") == NONE, "which waits for the end of the transaction before"
        for partition, end in ((0, 3), (1, 2)):
            assert (await read(producer.peer, partition=partition)).high_watermark == end


async def test_a_coordinator_that_begins_anew_finishes_what_was_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        leader = Refusing(served, monkeypatch)
        producer = await begun(served)
        await producer.send(b"a")
        leader.error = ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert await producer.end() == NONE
    leader.error = NONE
    async with serving(tmp_path, **SETTINGS) as served:
        peer = await served.connect()
        await until_stable(peer)
        data = await read(peer)
        assert (data.high_watermark, data.aborted_transactions) == (2, []), "though nobody has asked for anything"


@pytest.mark.parametrize("newer", [False, True], ids=["older", "newer"])
async def test_what_was_admitted_before_the_marker_is_not_appended_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newer: bool
) -> None:
    """Nobody would end what it would begin."""
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=newer)
        gate = served.broker.transactions.gate
        ask = gate._ask

        async def ask_and_be_late(*args: object, **more: object) -> object:
            answers = await ask(*args, **more)  # type: ignore[arg-type]
            marker = WritableTxnMarker(producer.producer_id, producer.epoch, False, coordinator_epoch=0)
            assert isinstance(served.broker.markers.write("t", 0, marker), Commit)
            return answers

        if not newer:
            assert await producer.add(0) == NONE
        monkeypatch.setattr(gate, "_ask", ask_and_be_late)
        assert await producer.send(b"late") == ErrorCode.TRANSACTION_ABORTABLE
        monkeypatch.undo()
        found = served.broker.replicas.partition("t", 0)
        assert not isinstance(found, ErrorCode)
        assert (found.log.log_end_offset, found.log.producers.open_transactions()) == (1, [])


@pytest.mark.parametrize("newer", [False, True], ids=["older", "newer"])
async def test_offsets_that_were_admitted_before_the_marker_are_not_staged_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newer: bool
) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=newer)
        commit = served.broker.groups.commit

        async def commit_late(*args: object, **more: object) -> object:
            marker = WritableTxnMarker(producer.producer_id, producer.epoch, False, coordinator_epoch=0)
            assert isinstance(served.broker.markers.write("__consumer_offsets", 0, marker), Commit)
            return await commit(*args, **more)  # type: ignore[arg-type]

        if not newer:
            assert await producer.add_offsets("g") == NONE
        monkeypatch.setattr(served.broker.groups, "commit", commit_late)
        assert await producer.commit_offset("g", 5) == ErrorCode.TRANSACTION_ABORTABLE
        found = served.broker.replicas.partition("__consumer_offsets", 0)
        assert not isinstance(found, ErrorCode)
        assert found.log.producers.open_transactions() == []


async def test_what_has_ended_is_forgotten_where_nobody_reads(tmp_path: Path) -> None:
    """As on a follower: else there would be an entry for every transaction that there has ever been."""
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served)
        for _ in range(3):
            assert await producer.send(b"a") == NONE
            assert await producer.end() == NONE
        assert await producer.init() == NONE, "which waits for the end of the transaction before"
        found = served.broker.replicas.partition("t", 0)
        assert not isinstance(found, ErrorCode)
        assert (found.log.log_end_offset, found.log.producers._completed) == (6, {})


async def test_a_completion_that_the_log_refuses_is_tried_again_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk refuses for long, and each attempt is a line in the log of the process."""
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served)
        await producer.send(b"a")
        (partition,) = served.broker.transactions._partitions.values()
        append: Callable[[bytes], Appended | Refused] = partition.partition.append_internal
        attempts = 0

        def refuse(batch: bytes) -> Appended | Refused:
            nonlocal attempts
            if state(served) is not TransactionState.PREPARE_COMMIT:
                return append(batch)
            attempts += 1
            return Refused(ErrorCode.KAFKA_STORAGE_ERROR)

        monkeypatch.setattr(partition.partition, "append_internal", refuse)
        assert await producer.end() == NONE
        await trio.sleep(0.35)
        assert 2 <= attempts <= 6
        monkeypatch.undo()
        assert await producer.init() == NONE
        assert state(served) is TransactionState.EMPTY


async def test_a_coordinator_takes_no_partition_that_it_does_not_know(tmp_path: Path) -> None:
    """It would take it for one that is gone, and never write its marker, should its metadata be behind."""
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served)
        topics = [AddPartitionsToTxnTopic("new", [0]), AddPartitionsToTxnTopic("t", [1, 7])]
        asked = AddPartitionsToTxnTransaction("tx", producer.producer_id, producer.epoch, False, topics)
        request = AddPartitionsToTxnRequest(transactions=[asked])
        answer = await producer.peer.ask(request, AddPartitionsToTxnResponse, 5)
        codes = {
            (topic.name, each.partition_index): each.partition_error_code
            for topic in answer.results_by_transaction[0].topic_results
            for each in topic.results_by_partition
        }
        unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        not_attempted = ErrorCode.OPERATION_NOT_ATTEMPTED
        assert codes == {("new", 0): unknown, ("t", 1): not_attempted, ("t", 7): unknown}
        assert state(served) is TransactionState.EMPTY


async def test_a_topic_made_anew_with_fewer_partitions_holds_no_transaction_up(tmp_path: Path) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served)
        assert await producer.send(b"a", partition=1) == NONE
        request = DeleteTopicsRequest(topic_names=["t"], timeout_ms=5_000)
        assert (await producer.peer.ask(request, DeleteTopicsResponse, 5)).responses[0].error_code == NONE
        await producer.peer.make_topic()
        assert await producer.end() == NONE
        with trio.fail_after(5):
            assert await producer.init() == NONE


async def test_what_is_answered_to_one_question_about_a_producer_is_not_the_answer_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a producer that was fenced asks beside the one that fenced it; nor does one that goes leave anything."""
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served)
        gate, partition = served.broker.transactions.gate, served.broker.replicas.partition("t", 0)
        assert not isinstance(partition, ErrorCode)
        ask, may_ask, answers = gate._ask, trio.Event(), dict[int, ErrorCode]()

        async def ask_later(*args: object, **more: object) -> object:
            await may_ask.wait()
            return await ask(*args, **more)  # type: ignore[arg-type]

        async def admit(epoch: int) -> None:
            has = ProducerIdAndEpoch(producer.producer_id, epoch)
            answers[epoch] = (await gate.admit("tx", has, [partition], adds=True))[TopicPartition("t", 0)]

        monkeypatch.setattr(gate, "_ask", ask_later)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(admit, producer.epoch - 1)
            nursery.start_soon(admit, producer.epoch)
            await trio.testing.wait_all_tasks_blocked()
            may_ask.set()
        assert answers == {producer.epoch - 1: ErrorCode.PRODUCER_FENCED, producer.epoch: NONE}
        assert list(partition.admissions) == [producer.producer_id]
        partition.admissions.clear()
        may_ask = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(admit, producer.epoch)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert not partition.admissions
