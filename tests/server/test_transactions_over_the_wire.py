"""Transactions of one broker, as a client sees them on its connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest
import trio

from odradek.consumer.aborted import AbortedTransactions
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from odradek.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    TopicRequest,
)
from odradek.protocol.messages.describe_transactions import DescribeTransactionsRequest, DescribeTransactionsResponse
from odradek.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from odradek.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from odradek.protocol.messages.produce import ProduceResponse
from odradek.protocol.messages.update_features import (
    FeatureUpdateKey,
    UpdateFeaturesRequest,
    UpdateFeaturesResponse,
)
from odradek.protocol.records.batch import iter_headers
from odradek.protocol.records.record import decode_batch
from tests.server.served_broker import Peer, Served, serving
from tests.server.transacting import Transacting, read, transacting, until_stable

SETTINGS = {"offsets_topic_num_partitions": "2", "transaction_state_log_num_partitions": "2"}
NONE = ErrorCode.NONE
BOTH_WAYS = pytest.mark.parametrize("newer", [False, True], ids=["older", "newer"])


async def visible(peer: Peer, partition: int = 0) -> list[bytes | None]:
    """The records that a consumer takes for committed."""
    data = await read(peer, partition=partition)
    records = cast("memoryview", data.records)
    aborted = AbortedTransactions(data.aborted_transactions)
    return [
        record.value
        for position, header in iter_headers(records)
        if not aborted.pass_batch(header) and not header.is_control
        for record in decode_batch(records, position)
    ]


async def settled(ask: Callable[[], Awaitable[tuple[int, int]]]) -> tuple[int, int]:
    """The answer, once it is no error any more; nothing tells a client when that is."""
    with trio.fail_after(5):
        while True:
            error, value = await ask()
            if not error:
                return error, value
            await trio.sleep(0.01)


async def begun(served: Served, *, newer: bool, partitions: int = 1) -> Transacting:
    peer = await served.connect()
    await peer.make_topic(partitions=partitions)
    producer = await transacting(served, newer=newer)
    assert await producer.init() == NONE
    return producer


@BOTH_WAYS
async def test_what_is_written_is_read_when_it_is_committed(tmp_path: Path, newer: bool) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=newer, partitions=2)
        for number in range(3):
            for partition in (0, 1):
                if not newer:
                    assert await producer.add(partition) == NONE
                assert await producer.send(b"%d" % number, partition=partition) == NONE
            data = await read(producer.peer)
            assert data.last_stable_offset < data.high_watermark
            assert await producer.end() == NONE
            await until_stable(producer.peer)
            await until_stable(producer.peer, 1)
        assert producer.epoch == (3 if newer else 0)
        for partition in (0, 1):
            data = await read(producer.peer, partition=partition)
            assert (data.last_stable_offset, data.high_watermark, data.aborted_transactions) == (6, 6, [])
            assert await visible(producer.peer, partition) == [b"0", b"1", b"2"]


@BOTH_WAYS
async def test_what_is_aborted_is_told_to_who_reads_committed_and_to_nobody_else(tmp_path: Path, newer: bool) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=newer)
        if not newer:
            assert await producer.add(0) == NONE
        assert await producer.send(b"never") == NONE
        assert await producer.end(commit=False) == NONE
        await until_stable(producer.peer)
        aborted = (await read(producer.peer)).aborted_transactions
        assert [(each.producer_id, each.first_offset) for each in aborted or ()] == [(producer.producer_id, 0)]
        assert (await read(producer.peer, committed=False)).aborted_transactions is None


@BOTH_WAYS
async def test_a_new_producer_fences_the_one_before_and_ends_what_it_has_open(tmp_path: Path, newer: bool) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        old = await begun(served, newer=newer)
        if not newer:
            await old.add(0)
        assert await old.send(b"old") == NONE
        new = await transacting(served, newer=newer)
        assert await new.init() == NONE
        assert (new.producer_id, new.epoch) == (old.producer_id, old.epoch + 2)
        await until_stable(new.peer)
        assert len((await read(new.peer)).aborted_transactions or ()) == 1
        assert await old.send(b"again") == ErrorCode.INVALID_PRODUCER_EPOCH
        assert await old.end() == ErrorCode.PRODUCER_FENCED
        assert await old.init(keeps=True) == ErrorCode.PRODUCER_FENCED


async def test_a_partition_that_was_not_added_is_not_written_to(tmp_path: Path) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=False, partitions=2)
        assert await producer.send(b"too soon") == ErrorCode.TRANSACTION_ABORTABLE
        assert await producer.add(1) == NONE
        assert await producer.send(b"elsewhere") == ErrorCode.TRANSACTION_ABORTABLE
        response = await producer.peer.ask(producer.batch(b"for older clients"), ProduceResponse, 10)
        assert response.responses[0].partition_responses[0].error_code == ErrorCode.INVALID_TXN_STATE
        assert (await read(producer.peer)).high_watermark == 0


async def test_a_batch_that_comes_after_the_end_begins_no_transaction(tmp_path: Path) -> None:
    """The older way: the epoch is still right, and nobody would ever end what it would begin."""
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=False)
        await producer.add(0)
        await producer.send(b"in time")
        await producer.end()
        await until_stable(producer.peer)
        assert await producer.send(b"late") == ErrorCode.TRANSACTION_ABORTABLE
        data = await read(producer.peer)
        assert data.last_stable_offset == data.high_watermark == 2


async def test_an_old_epoch_is_said_to_be_old_and_not_that_the_transaction_is_wrong(tmp_path: Path) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=True)
        assert await producer.send(b"a") == NONE
        epoch = producer.epoch
        assert await producer.end() == NONE
        producer.epoch = epoch
        assert await producer.send(b"of the transaction before") == ErrorCode.INVALID_PRODUCER_EPOCH


@BOTH_WAYS
async def test_a_retry_of_a_batch_is_answered_without_a_word_on_transactions(tmp_path: Path, newer: bool) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=newer)
        if not newer:
            await producer.add(0)
        request = producer.batch(b"once")
        for _ in range(2):
            response = await producer.peer.ask(request, ProduceResponse, 12 if newer else 11)
            answer = response.responses[0].partition_responses[0]
            assert (answer.error_code, answer.base_offset) == (NONE, 0)
        await producer.end()
        await until_stable(producer.peer)
        assert await visible(producer.peer) == [b"once"]


async def test_batches_that_are_sent_without_waiting_stay_in_order_behind_the_first(tmp_path: Path) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=True)
        for number in range(20):
            await producer.peer.send(producer.batch(b"%d" % number), 12)
            producer.sequences["t", 0] = number + 1
        for number in range(20):
            _, response = await producer.peer.receive(ProduceResponse, 12)
            answer = response.responses[0].partition_responses[0]
            assert (answer.error_code, answer.base_offset) == (NONE, number)


async def test_a_late_marker_does_not_end_the_next_transaction(tmp_path: Path) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=True)
        await producer.send(b"first")
        await producer.end()
        await until_stable(producer.peer)
        assert await producer.marker(commit=True, epoch=producer.epoch) == NONE, "a retry is no error"
        assert (await read(producer.peer)).high_watermark == 2, "and is not written again"
        await producer.send(b"second")
        assert await producer.marker(commit=False, epoch=producer.epoch) == ErrorCode.INVALID_PRODUCER_EPOCH
        assert (await read(producer.peer)).last_stable_offset == 2
        assert await producer.marker(commit=False, epoch=producer.epoch - 1) == ErrorCode.INVALID_PRODUCER_EPOCH


async def test_a_transaction_that_takes_too_long_is_aborted(tmp_path: Path) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        peer = await served.connect()
        await peer.make_topic()
        producer = await transacting(served)
        assert await producer.init(timeout_ms=100) == NONE
        assert await producer.send(b"slow") == NONE
        await until_stable(peer)
        assert len((await read(peer)).aborted_transactions or ()) == 1
        assert await producer.end() == ErrorCode.INVALID_TXN_STATE
        assert await producer.init(keeps=True) == NONE


@BOTH_WAYS
async def test_offsets_are_visible_with_the_marker_and_unstable_before(tmp_path: Path, newer: bool) -> None:
    async def fetched(peer: Peer) -> tuple[int, int]:
        wanted = OffsetFetchRequestGroup("g", topics=[OffsetFetchRequestTopics("t", partition_indexes=[0])])
        response = await peer.ask(OffsetFetchRequest(groups=[wanted], require_stable=True), OffsetFetchResponse, 8)
        found = response.groups[0].topics[0].partitions[0]
        return found.error_code, found.committed_offset

    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=newer)
        for commit, offset, visible_offset in ((True, 5, 5), (False, 9, 5)):
            if not newer:
                assert await producer.commit_offset("g", offset) == ErrorCode.TRANSACTION_ABORTABLE
                assert await producer.add_offsets("g") == NONE
            assert await producer.commit_offset("g", offset) == NONE
            assert await fetched(producer.peer) == (ErrorCode.UNSTABLE_OFFSET_COMMIT, -1)
            assert await producer.end(commit=commit) == NONE
            found = await settled(lambda: fetched(producer.peer))
            assert found == (NONE, visible_offset)


async def test_the_state_of_transactions_survives_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=True)
        assert await producer.send(b"before") == NONE
    async with serving(tmp_path, **SETTINGS) as served:
        producer.peer = await served.connect()
        assert await producer.send(b"after") == NONE
        assert await producer.end() == NONE
        await until_stable(producer.peer)
        assert await visible(producer.peer) == [b"before", b"after"]


async def test_a_deleted_topic_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=True)
        await producer.peer.make_topic("gone")
        await producer.send(b"a", topic="gone")
        await producer.send(b"a")
        await producer.peer.ask(DeleteTopicsRequest(topic_names=["gone"]), DeleteTopicsResponse, 5)
        assert await producer.end() == NONE
        assert await producer.send(b"b") == NONE


async def test_operators_see_what_there_is(tmp_path: Path) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=True)
        await producer.send(b"a")
        peer = producer.peer
        described = await peer.ask(DescribeTransactionsRequest(["tx", "no"]), DescribeTransactionsResponse, 0)
        known, unknown = described.transaction_states
        assert (known.transaction_state, known.producer_id) == ("Ongoing", producer.producer_id)
        assert [(each.topic, list(each.partitions)) for each in known.topics] == [("t", [0])]
        assert unknown.error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND

        async def listed(**filters: object) -> ListTransactionsResponse:
            request = ListTransactionsRequest(**filters)  # type: ignore[arg-type]
            return await peer.ask(request, ListTransactionsResponse, 2)

        assert [each.transactional_id for each in (await listed()).transaction_states] == ["tx"]
        bogus = await listed(state_filters=["Bogus", "Empty"])
        assert (list(bogus.unknown_state_filters), list(bogus.transaction_states)) == (["Bogus"], [])
        assert len((await listed(transactional_id_pattern="t.")).transaction_states) == 1
        assert len((await listed(transactional_id_pattern="x")).transaction_states) == 0
        for costly in ("(a*)*", "a*b*c*", "[", r"\1"):
            assert (await listed(transactional_id_pattern=costly)).error_code == ErrorCode.INVALID_REGULAR_EXPRESSION
        request = DescribeProducersRequest([TopicRequest("t", [0])])
        producers = await peer.ask(request, DescribeProducersResponse, 0)
        (state,) = producers.topics[0].partitions[0].active_producers
        assert (state.producer_id, state.current_txn_start_offset) == (producer.producer_id, 0)
        latest = ListOffsetsTopic("t", [ListOffsetsPartition(0, timestamp=-1)])
        for isolation, offset in ((0, 1), (1, 0)):
            answer = await peer.ask(ListOffsetsRequest(-1, isolation, [latest]), ListOffsetsResponse, 4)
            assert answer.topics[0].partitions[0].offset == offset


async def test_the_version_of_transactions_is_a_feature_that_can_be_changed(tmp_path: Path) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        peer = await served.connect()

        async def told(version: int) -> tuple[dict[str, int], list[str]]:
            request = ApiVersionsRequest("test", "1")
            response = await peer.ask(request, ApiVersionsResponse, version)
            assert response.finalized_features_epoch >= 0
            levels = {each.name: each.max_version_level for each in response.finalized_features}
            return levels, [each.name for each in response.supported_features]

        levels, supported = await told(4)
        assert levels["transaction.version"] == 2 and "transaction.version" in supported
        assert await told(3) == (levels, [])
        update = FeatureUpdateKey("transaction.version", 0, upgrade_type=2)
        response = await peer.ask(UpdateFeaturesRequest(feature_updates=[update]), UpdateFeaturesResponse, 2)
        assert response.error_code == NONE
        assert "transaction.version" not in (await told(4))[0]


@pytest.mark.parametrize("verify_only", [True, False])
async def test_brokers_ask_for_many_transactions_at_once(tmp_path: Path, verify_only: bool) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=True, partitions=2)
        await producer.send(b"a")
        has = (producer.producer_id, producer.epoch)
        topics = [AddPartitionsToTxnTopic("t", [0, 1])]
        asked = [
            AddPartitionsToTxnTransaction("tx", *has, verify_only, topics),
            AddPartitionsToTxnTransaction("other", *has, verify_only, topics),
        ]
        response = await producer.peer.ask(AddPartitionsToTxnRequest(asked), AddPartitionsToTxnResponse, 5)
        ours, other = (
            [each.partition_error_code for each in result.topic_results[0].results_by_partition]
            for result in response.results_by_transaction
        )
        assert ours == [NONE, ErrorCode.TRANSACTION_ABORTABLE if verify_only else NONE]
        assert other == [ErrorCode.INVALID_PRODUCER_ID_MAPPING] * 2


async def test_a_producer_adds_all_or_nothing_and_no_coordinators_topic(tmp_path: Path) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        producer = await begun(served, newer=False)
        assert await producer.add(0, 7) == ErrorCode.OPERATION_NOT_ATTEMPTED
        assert await producer.add(7, 0) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert await producer.add(0, topic="__consumer_offsets") == ErrorCode.TOPIC_AUTHORIZATION_FAILED
        assert await producer.send(b"a") == ErrorCode.TRANSACTION_ABORTABLE
