"""One request, however it is made, does not hold the loop: others have their turn before it is done."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
)
from odradek.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from odradek.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    TopicRequest,
)
from odradek.protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    UserName,
)
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from odradek.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from odradek.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
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
from odradek.protocol.records.batch import read_header
from odradek.protocol.records.codecs import Codec
from odradek_broker.apis import Caller, Held, RequestContext, api_00_produce
from odradek_broker.apis.permissions import guard as permissions
from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from odradek_broker.log.raw_batch import MAX_RECORDS
from odradek_broker.loop.looks import AT_ONCE
from odradek_broker.loop.slices import SLICE
from odradek_broker.ports.workers import ThreadWorkers
from odradek_broker.server import dispatcher
from tests.server.forged_batches import bomb_batch, crowd, forged, good_batch
from tests.server.longest_step import watched
from tests.server.served_broker import Peer, Served, fetch, frame_of, produce, produce_batch, serving
from tests.server.transacting import transacting


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, log_cleaner_backoff_ms="1000000") as running:
        yield running


@pytest.fixture
async def peer(served: Served) -> Peer:
    return await served.connect()


async def test_requests_that_take_no_answer_let_others_have_their_turn(peer: Peer) -> None:
    """They have all come before the first is looked at, and nothing of them ever waits."""
    large, empty = frame_of(produce_batch(bytes(200_000)), 9), frame_of(ProduceRequest(None, 0, 0, []), 9)
    with watched():
        await peer.stream.send_all(large + empty * 5_000 + frame_of(ApiVersionsRequest(), 0, 77))
        await peer.receive_produced()
        assert (await peer.receive(ApiVersionsResponse, 0))[0] == 77


async def test_coordinators_are_found_key_by_key(peer: Peer) -> None:
    assert (await peer.ask(FindCoordinatorRequest("g", 0), FindCoordinatorResponse, 3)).error_code == ErrorCode.NONE
    with watched():
        wanted = FindCoordinatorRequest(key_type=0, coordinator_keys=[f"group-{n}" for n in range(5_000)])
        found = await peer.ask(wanted, FindCoordinatorResponse, 4)
    assert len(found.coordinators) == 5_000
    assert not any(each.error_code for each in found.coordinators)


async def test_a_broker_that_is_described_two_thousand_times_is_described_once(peer: Peer) -> None:
    broker, others = DescribeConfigsResource(4, "1", None), [DescribeConfigsResource(4, str(n)) for n in range(2, 500)]
    with watched():
        found = await peer.ask(DescribeConfigsRequest([broker] * 2_000 + others), DescribeConfigsResponse, 4)
    assert [each.resource_name for each in found.results] == [str(n) for n in range(1, 500)]
    assert found.results[0].configs


async def test_three_thousand_changed_keys_are_decided_by_a_worker(peer: Peer) -> None:
    await peer.make_topic()
    changes = [AlterableConfig(f"key-{n}", 0, "1") for n in range(3_000)]
    with watched():
        asked = IncrementalAlterConfigsRequest([AlterConfigsResource(2, "t", changes)])
        answer = await peer.ask(asked, IncrementalAlterConfigsResponse, 1)
    assert answer.responses[0].error_code == ErrorCode.INVALID_CONFIG


async def test_a_partition_that_is_fetched_many_times_over_is_read_once(peer: Peer, served: Served) -> None:
    await peer.make_topic()
    other = await served.connect()
    partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1 << 20)
    wanted = FetchRequest(
        max_wait_ms=10_000, min_bytes=200, topics=[FetchTopic(topic="t", partitions=[partition] * 9_000)]
    )
    with watched():
        await peer.send(wanted, 11)
        for value in (b"a" * 40, b"b" * 40, b"c" * 40):
            await other.produce(produce(value))
        _, fetched = await peer.receive(FetchResponse, 11)
    assert [len(topic.partitions) for topic in fetched.responses] == [1]


async def test_a_fetch_of_many_partitions_is_read_in_slices(peer: Peer) -> None:
    partitions = [FetchPartition(partition=n, partition_max_bytes=1 << 20) for n in range(5_000)]
    with watched():
        fetched = await peer.ask(FetchRequest(topics=[FetchTopic(topic="t", partitions=partitions)]), FetchResponse, 11)
    assert len(fetched.responses[0].partitions) == 5_000


async def test_a_long_poll_of_many_partitions_misses_nothing_that_comes_while_it_reads(
    peer: Peer, served: Served
) -> None:
    await peer.make_topic(partitions=SLICE + 20)
    other = await served.connect()
    partitions = [FetchPartition(partition=n, partition_max_bytes=1 << 20) for n in range(SLICE + 20)]
    request = FetchRequest(max_wait_ms=30_000, min_bytes=1, topics=[FetchTopic(topic="t", partitions=partitions)])
    with trio.fail_after(20):
        await peer.send(request, 11)
        await other.produce(produce_batch(good_batch(), partition=3))
        _, fetched = await peer.receive(FetchResponse, 11)
    (found,) = (each for each in fetched.responses[0].partitions if len(each.records or b""))
    assert found.partition_index == 3


async def test_names_of_topics_by_the_thousand_are_looked_up_by_a_worker(peer: Peer) -> None:
    names = [MetadataRequestTopic(name=f"topic-{n}") for n in range(5_000)]
    with watched():
        known = await peer.ask(MetadataRequest(topics=names, allow_auto_topic_creation=False), MetadataResponse, 9)
    assert len(known.topics) == 5_000


@pytest.mark.parametrize("timeout_ms", [-(2**31), 0])
async def test_records_are_deleted_partition_by_partition_whatever_the_patience(peer: Peer, timeout_ms: int) -> None:
    await peer.make_topic()
    await peer.produce(produce(b"a"))
    nowhere = [DeleteRecordsTopic("nowhere", [DeleteRecordsPartition(n, -1) for n in range(5_000)])]
    with watched():
        request = DeleteRecordsRequest([*nowhere, DeleteRecordsTopic("t", [DeleteRecordsPartition(0, 1)])], timeout_ms)
        deleted = await peer.ask(request, DeleteRecordsResponse, 2)
    assert [len(topic.partitions) for topic in deleted.topics] == [5_000, 1]


async def test_ends_of_epochs_are_looked_up_in_slices(peer: Peer) -> None:
    partitions = [OffsetForLeaderPartition(n, -1, 0) for n in range(5_000)]
    with watched():
        request = OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic("t", partitions)])
        ends = await peer.ask(request, OffsetForLeaderEpochResponse, 4)
    assert len(ends.topics[0].partitions) == 5_000


async def test_producers_are_described_in_slices_and_each_partition_once(peer: Peer) -> None:
    await peer.make_topic()
    with watched():
        request = DescribeProducersRequest([TopicRequest("t", [0] * 5_000 + list(range(5_000)))])
        described = await peer.ask(request, DescribeProducersResponse, 0)
    assert len(described.topics[0].partitions) == 5_000


async def test_markers_of_transactions_are_written_in_slices(peer: Peer) -> None:
    await peer.make_topic()
    topics = [WritableTxnMarkerTopic("t", [0])]
    request = WriteTxnMarkersRequest([WritableTxnMarker(n, 0, True, topics, 0, 2) for n in range(1000)])
    with watched():
        response = await peer.ask(request, WriteTxnMarkersResponse, 2)
    assert {each.topics[0].partitions[0].error_code for each in response.markers} == {ErrorCode.NONE}


async def test_markers_for_thousands_of_partitions_are_answered_in_slices(peer: Peer) -> None:
    topics = [WritableTxnMarkerTopic(f"t-{n}", [0]) for n in range(2_000)]
    request = WriteTxnMarkersRequest([WritableTxnMarker(n, 0, True, topics, 0, 2) for n in range(5)])
    with watched():
        response = await peer.ask(request, WriteTxnMarkersResponse, 2)
    assert [len(each.topics) for each in response.markers] == [2_000] * 5


async def test_offsets_within_a_transaction_are_taken_in_slices_and_each_partition_once(served: Served) -> None:
    producer = await transacting(served)
    await producer.peer.make_topic(partitions=2)
    assert await producer.init() == ErrorCode.NONE
    offsets = [TxnOffsetCommitRequestPartition(n % 2 if n < 5_000 else n, n) for n in range(10_000)]
    topics = [TxnOffsetCommitRequestTopic("t", partitions=offsets)]
    request = TxnOffsetCommitRequest("tx", "g", producer.producer_id, producer.epoch, topics=topics)
    with watched():
        stored = await producer.peer.ask(request, TxnOffsetCommitResponse, 5)
    codes = [each.error_code for each in stored.topics[0].partitions]
    assert codes == [ErrorCode.NONE] * 5_000 + [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION] * 5_000


async def test_offsets_of_very_many_partitions_of_one_topic_are_answered_in_slices(peer: Peer) -> None:
    topics = [OffsetCommitRequestTopic("nobodys", partitions=[OffsetCommitRequestPartition(n) for n in range(20_000)])]
    with watched():
        stored = await peer.ask(OffsetCommitRequest("g", topics=topics), OffsetCommitResponse, 8)
    codes = {each.error_code for each in stored.topics[0].partitions}
    assert len(stored.topics[0].partitions) == 20_000 and codes == {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}


async def test_a_request_that_is_given_up_between_two_slices_leaves_nobody_waiting(served: Served) -> None:
    await (await served.connect()).make_topic()
    partition = served.broker.replicas.partition("t", 0)
    assert not isinstance(partition, ErrorCode)
    data = [PartitionProduceData(0, memoryview(bytearray(good_batch()))) for _ in range(10 * SLICE)]
    request = ProduceRequest(None, -1, 5_000, [TopicProduceData("t", partition_data=data)])
    held = api_00_produce.handle(request, RequestContext(served.broker, {}, 9, None, Caller(("", 1), ("", 2))))
    assert isinstance(held, Held)

    async def produce_held() -> None:
        await held.work

    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce_held)
        while not partition.log.log_end_offset:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert partition.log.log_end_offset < 10 * SLICE
    assert not len(partition._commits)


async def test_a_look_up_by_time_walks_through_a_large_batch_in_a_worker(peer: Peer) -> None:
    await peer.make_topic()
    assert (await peer.produce(produce_batch(crowd(Codec.ZSTD, 50_000)))).error_code == ErrorCode.NONE
    for timestamp in (1, -3):
        with watched():
            wanted = ListOffsetsRequest(-1, 0, [ListOffsetsTopic("t", [ListOffsetsPartition(0, -1, timestamp)])])
            found = (await peer.ask(wanted, ListOffsetsResponse, 7)).topics[0].partitions[0]
        assert (found.error_code, found.timestamp, found.offset) == (ErrorCode.NONE, 1, 0)


async def test_batches_that_lie_about_their_times_are_looked_into_one_by_one(peer: Peer) -> None:
    await peer.make_topic()
    liar = forged(good_batch(), max_timestamp=5)
    for _ in range(150):
        await peer.send(produce_batch(liar, acks=1), 9)
    for _ in range(150):
        await peer.receive_produced()
    with watched():
        wanted = ListOffsetsRequest(-1, 0, [ListOffsetsTopic("t", [ListOffsetsPartition(0, -1, 5)])])
        found = (await peer.ask(wanted, ListOffsetsResponse, 7)).topics[0].partitions[0]
    assert (found.error_code, found.offset) == (ErrorCode.NONE, -1)


async def test_a_large_batch_for_a_compacted_topic_is_validated_by_a_worker_and_in_its_turn(peer: Peer) -> None:
    """Requests that come behind it on the same connection are appended behind it."""
    await peer.make_topic("compacted", cleanup_policy="compact")
    with watched():
        await peer.send(produce_batch(crowd(Codec.ZSTD, 30_000), topic="compacted"), 9)
        await peer.send(produce_batch(good_batch(), topic="compacted"), 9)
        assert [(await peer.receive_produced()).base_offset for _ in range(2)] == [0, 30_000]


async def test_a_batch_that_is_compressed_anew_is_so_by_a_worker(peer: Peer) -> None:
    await peer.make_topic("gzipped", compression_type="gzip")
    with watched():
        assert (await peer.produce(produce_batch(crowd(Codec.ZSTD, 30_000), topic="gzipped"))).base_offset == 0
    fetched = await peer.fetch(fetch(0, topic="gzipped"))
    assert read_header(bytes(cast("memoryview", fetched.records))).codec == Codec.GZIP


async def test_more_records_than_can_be_looked_at_are_refused_unseen(peer: Peer) -> None:
    await peer.make_topic("compacted", cleanup_policy="compact")
    bomb = bomb_batch(Codec.ZSTD, 16, MAX_RECORDS + 1)
    assert (await peer.produce(produce_batch(bomb, topic="compacted"))).error_code == ErrorCode.INVALID_RECORD


async def test_a_request_for_thousands_of_partitions_is_appended_in_slices(peer: Peer) -> None:
    await peer.make_topic()
    data = [PartitionProduceData(n, bytes(good_batch())) for n in range(3_000)]
    with watched():
        await peer.send(ProduceRequest(None, -1, 5000, [TopicProduceData("t", partition_data=data)]), 9)
        _, answer = await peer.receive(ProduceResponse, 9)
    codes = [each.error_code for each in answer.responses[0].partition_responses]
    assert codes == [ErrorCode.NONE] + [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION] * 2_999


async def test_topics_by_the_hundred_are_made_while_others_are_served(peer: Peer, served: Served) -> None:
    """Deciding is a worker's, and so is opening their logs; whoever has asked is answered when they can be used."""
    topics = [CreatableTopic(f"topic-{n}", 1, 1) for n in range(300)]
    with watched():
        made = await peer.ask(CreateTopicsRequest(topics), CreateTopicsResponse, 7)
    assert not any(topic.error_code for topic in made.topics)
    assert {(f"topic-{n}", 0) for n in range(300)} <= served.broker.partitions.keys()
    assert (await peer.produce(produce(b"a", topic="topic-299"))).error_code == ErrorCode.NONE


async def test_large_messages_of_many_are_read_and_answered_by_a_few_workers(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that compute take the processor from the loop, each of them whenever it calls the system."""
    at_work, most, run = 0, 0, ThreadWorkers.run

    async def counted(workers: ThreadWorkers, job: Callable[[], Any]) -> Any:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        try:
            return await run(workers, job)
        finally:
            at_work -= 1

    peers = [await served.connect() for _ in range(8)]
    monkeypatch.setattr(ThreadWorkers, "run", counted)
    unknown = MetadataRequest([MetadataRequestTopic(name=f"n{n}") for n in range(3_000)], False)
    async with trio.open_nursery() as nursery:
        for peer in peers:
            nursery.start_soon(peer.ask, unknown, MetadataResponse, 9)
    assert most == AT_ONCE


async def test_what_is_refused_for_many_partitions_of_one_topic_is_refused_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def guard(*arguments: Any) -> Any:
        threads.append(threading.get_ident())
        return permissions.guard(*arguments)

    monkeypatch.setattr(dispatcher, "guard", guard)
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER) as guarded:
        peer = await guarded.connect()
        for count in (1, 100_000):
            asked = DescribeProducersRequest([TopicRequest("t", list(range(count)))])
            described = await peer.ask(asked, DescribeProducersResponse, 0)
            codes = [each.error_code for each in described.topics[0].partitions]
            assert codes == [ErrorCode.TOPIC_AUTHORIZATION_FAILED] * count
    here = threading.get_ident()
    assert [thread == here for thread in threads] == [True, False]


async def test_many_users_are_described_beside_the_loop(peer: Peer) -> None:
    asked = DescribeUserScramCredentialsRequest([UserName(f"u{number}") for number in range(50_000)])
    with watched():
        described = await peer.ask(asked, DescribeUserScramCredentialsResponse, 0)
    assert {each.error_code for each in described.results} == {ErrorCode.RESOURCE_NOT_FOUND}
