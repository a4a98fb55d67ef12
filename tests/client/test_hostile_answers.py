"""What a broker may answer to do harm, lie by lie: each ends in an error with a name, in time, and without a storm."""

from __future__ import annotations

import struct
import tracemalloc
from typing import Any

import pytest
import trio
from crc32c import crc32c
from msgspec.structs import replace

from odradek import Admin, Consumer, CorruptRecords, Producer, TopicPartition
from odradek.cluster.frames import FrameReceiver
from odradek.cluster.metadata import BrokerAddress
from odradek.consumer.embedded import encode_assignment
from odradek.errors import (
    BadAnswer,
    BrokerError,
    ConnectionFailed,
    CoordinatorUnavailable,
    DeliveryTimedOut,
    OdradekError,
    UnsupportedVersion,
)
from odradek.network import Surroundings
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.api_versions import ApiVersionsRequest
from odradek.protocol.messages.fetch import FetchRequest
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest
from odradek.protocol.messages.heartbeat import HeartbeatRequest
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest
from odradek.protocol.messages.join_group import JoinGroupRequest
from odradek.protocol.messages.list_offsets import ListOffsetsRequest
from odradek.protocol.messages.offset_commit import OffsetCommitRequest
from odradek.protocol.messages.produce import LeaderIdAndEpoch, ProduceRequest
from odradek.protocol.messages.sync_group import SyncGroupRequest
from tests.client.fake_broker import NODE_ID, FakeBroker

ORDERS = TopicPartition("orders", 0)
FOR_EVER = 20_000
SECONDS = 5
BACKOFF_S = 0.1
PACED = SECONDS / (BACKOFF_S * 0.8) + 10
"""As many questions as there may be where each waits for retry_backoff_ms."""


@pytest.fixture
async def broker(nursery: trio.Nursery) -> FakeBroker:
    """With ten records in orders, in batches of three."""
    broker = FakeBroker(nursery, orders=1)
    async with Producer("fake", surroundings=broker.surroundings, batch_size=60) as producer:
        for i in range(10):
            await producer.send("orders", b"%d" % i, timestamp_ms=1000 + i)
    broker.seen.clear()
    return broker


def lie(broker: FakeBroker, request: type, answer: Any, *, times: int = FOR_EVER) -> None:
    """`answer`: (request, honest answer) -> answer."""
    broker.script(request, *[answer] * times)


def in_the_partition(**fields: Any) -> Any:
    """Of the one topic's one partition, in a Fetch or ListOffsets."""

    def changed(request: Any, answer: Any) -> Any:
        name = "responses" if hasattr(answer, "responses") else "topics"
        [topic] = getattr(answer, name)
        return replace(answer, **{name: [replace(topic, partitions=[replace(topic.partitions[0], **fields)])]})

    return changed


# ------------------------------------------------------------------------------------------------------- reading


async def polled(broker: FakeBroker, **options: Any) -> list[int]:
    """All that is read in five seconds, offset by offset."""
    async with Consumer("fake", "orders", surroundings=broker.surroundings, **options) as consumer:
        deadline, offsets = trio.current_time() + SECONDS, []
        while (left := deadline - trio.current_time()) > 0:
            offsets += [record.offset for record in await consumer.poll(timeout_s=left)]
        return offsets


FRUITLESS = {
    "nothing, at once": in_the_partition(records=b""),
    "another partition": in_the_partition(partition_index=7),
    "no partition": lambda request, answer: replace(answer, responses=[]),
    "a replica that is not there": in_the_partition(preferred_read_replica=99, records=b""),
    "itself as the nearer replica": in_the_partition(preferred_read_replica=NODE_ID, records=b""),
    "an error that may pass": in_the_partition(error_code=ErrorCode.REQUEST_TIMED_OUT, records=b""),
    "not the leader": in_the_partition(error_code=ErrorCode.NOT_LEADER_OR_FOLLOWER, records=b""),
    "an error of the whole": lambda request, answer: replace(answer, error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND),
}


@pytest.mark.parametrize("answer", FRUITLESS.values(), ids=FRUITLESS)
async def test_a_fetch_that_leads_nowhere_is_repeated_with_pauses(
    broker: FakeBroker, autojump_clock: Any, answer: Any
) -> None:
    lie(broker, FetchRequest, answer)
    assert await polled(broker) == []
    assert broker.count(FetchRequest) < PACED


async def test_records_that_come_again_are_an_error_and_a_seek_leads_on(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    first = broker.logs["orders", 0][0]
    lie(broker, FetchRequest, None, times=1)
    async with Consumer("fake", "orders", max_partition_fetch_bytes=1, surroundings=broker.surroundings) as consumer:
        assert [record.offset for record in await consumer.poll()] == [0, 1, 2]
        lie(broker, FetchRequest, in_the_partition(records=first))
        with trio.fail_after(SECONDS), pytest.raises(CorruptRecords, match="orders-0 at offset") as caught:
            while True:
                await consumer.poll()
        assert caught.value.partition == ORDERS
        assert broker.count(FetchRequest) < PACED
        broker._scripts.clear()
        consumer.seek(ORDERS, 9)
        assert [record.offset for record in await consumer.poll()] == [9]


def batch_that_says(batch: bytes, at: int, layout: str, value: int) -> bytes:
    forged = bytearray(batch)
    struct.pack_into(layout, forged, at, value)
    struct.pack_into(">I", forged, 17, crc32c(bytes(forged[21:])))
    return bytes(forged)


LYING_BATCHES = {
    "more records than there are": (57, ">i", 38_000_000),
    "fewer offsets than records": (23, ">i", 0),
    "a negative count": (57, ">i", -1),
}


@pytest.mark.parametrize("lie_told", LYING_BATCHES.values(), ids=LYING_BATCHES)
async def test_a_batch_that_lies_is_one_clear_error_and_can_be_passed_over(
    broker: FakeBroker, autojump_clock: Any, lie_told: tuple[int, str, int]
) -> None:
    log = broker.logs["orders", 0]
    log[1] = batch_that_says(log[1], *lie_told)
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        assert [record.offset for record in await consumer.poll(3)] == [0, 1, 2]
        for _ in range(2):
            with pytest.raises(CorruptRecords, match="orders-0 at offset 3") as caught:
                await consumer.poll()
        error = caught.value
        assert (error.partition, error.offset) == (ORDERS, 3)
        assert error.next_offset is not None
        log[1] = batch_that_says(log[1], 23, ">i", 2)  # for the fake broker, which finds batches by it
        consumer.seek(ORDERS, max(error.next_offset, 6))
        assert (await consumer.poll())[0].offset == 6


BAD_ORDERS = {
    "backwards": lambda log: log[1] + log[0],
    "twice": lambda log: log[0] + log[0],
    "from before all": lambda log: struct.pack(">q", -5) + log[0][8:],
    "to beyond the last offset": lambda log: struct.pack(">q", 2**63 - 2) + log[0][8:],
    "no whole batch": lambda log: log[0][:-1],
    "no batch": lambda log: b"\xff" * 61,
}


@pytest.mark.parametrize("records", BAD_ORDERS.values(), ids=BAD_ORDERS)
async def test_batches_in_no_order_are_an_error_of_their_partition(
    broker: FakeBroker, autojump_clock: Any, records: Any
) -> None:
    lie(broker, FetchRequest, in_the_partition(records=records(broker.logs["orders", 0])))
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        with trio.fail_after(SECONDS), pytest.raises(CorruptRecords, match="orders-0 at offset 0"):
            await anext(consumer)


async def test_an_end_that_is_said_to_be_negative_is_asked_for_with_pauses(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    lie(broker, ListOffsetsRequest, in_the_partition(offset=-7))
    assert await polled(broker) == []
    assert broker.count(ListOffsetsRequest) < PACED


# -------------------------------------------------------------------------------------------------------- groups


AGAIN = {
    "REBALANCE_IN_PROGRESS": ErrorCode.REBALANCE_IN_PROGRESS,
    "MEMBER_ID_REQUIRED": ErrorCode.MEMBER_ID_REQUIRED,
    "UNKNOWN_MEMBER_ID": ErrorCode.UNKNOWN_MEMBER_ID,
    "ILLEGAL_GENERATION": ErrorCode.ILLEGAL_GENERATION,
    "NOT_COORDINATOR": ErrorCode.NOT_COORDINATOR,
}


def code(code: ErrorCode) -> Any:
    return lambda request, answer: replace(answer, error_code=code)


@pytest.mark.parametrize("request_class", [JoinGroupRequest, SyncGroupRequest])
@pytest.mark.parametrize("error", AGAIN.values(), ids=AGAIN)
async def test_a_member_that_is_sent_away_for_ever_joins_again_with_pauses(
    broker: FakeBroker, autojump_clock: Any, error: ErrorCode, request_class: type
) -> None:
    if error is ErrorCode.MEMBER_ID_REQUIRED and request_class is SyncGroupRequest:
        return  # final, and raised
    lie(broker, request_class, code(error))
    assert await polled(broker, group="g") == []
    assert broker.count(JoinGroupRequest) < 2 * PACED


async def test_assignments_that_change_each_time_are_taken_up_with_pauses(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    count = 0

    def another(request: Any, answer: Any) -> Any:
        nonlocal count
        count += 1
        return replace(answer, assignment=encode_assignment([TopicPartition("orders", count)]))

    lie(broker, SyncGroupRequest, another)
    assert await polled(broker, group="g") == []
    assert broker.count(SyncGroupRequest) < PACED


@pytest.mark.parametrize("assignment", [b"\0", b"\xff\xff", b"\0\0\0\0\0\x09"])
async def test_an_assignment_that_cannot_be_read_ends_the_consumer_by_name(
    broker: FakeBroker, autojump_clock: Any, assignment: bytes
) -> None:
    lie(broker, SyncGroupRequest, lambda request, answer: replace(answer, assignment=assignment))
    with trio.fail_after(SECONDS), pytest.raises(BadAnswer, match="assignment"):
        await polled(broker, group="g")


async def test_a_protocol_that_was_not_offered_ends_the_consumer_by_name(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    lie(broker, JoinGroupRequest, lambda request, answer: replace(answer, protocol_name="?", error_code=0))
    with trio.fail_after(SECONDS), pytest.raises(BadAnswer, match="not offered"):
        await polled(broker, group="g")


async def test_a_string_that_not_every_version_could_say_is_a_broken_answer(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    lie(broker, JoinGroupRequest, lambda request, answer: replace(answer, member_id="x" * 40_000, error_code=0))
    assert await polled(broker, group="g") == []
    assert broker.count(JoinGroupRequest) < PACED


async def test_a_number_that_no_message_can_hold_is_an_error_by_name(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        await anext(consumer)
        consumer.seek(ORDERS, 2**63)
        with trio.fail_after(SECONDS), pytest.raises(BadAnswer, match="FetchRequest cannot be said"):
            await consumer.poll()


async def test_an_error_from_the_future_is_raised_as_what_it_is(broker: FakeBroker, autojump_clock: Any) -> None:
    lie(broker, HeartbeatRequest, lambda request, answer: replace(answer, error_code=12_345))
    with trio.fail_after(SECONDS), pytest.raises(BrokerError, match="12345"):
        await polled(broker, group="g", heartbeat_interval_ms=100)


@pytest.mark.parametrize("request_class", [FindCoordinatorRequest, OffsetCommitRequest])
async def test_a_coordinator_that_is_always_another_one_is_given_up_in_time(
    broker: FakeBroker, autojump_clock: Any, request_class: type
) -> None:
    def moved(request: Any, answer: Any) -> Any:
        code = ErrorCode.NOT_COORDINATOR
        if request_class is FindCoordinatorRequest:
            return replace(answer, coordinators=[replace(c, error_code=code) for c in answer.coordinators])
        return replace(
            answer,
            topics=[replace(t, partitions=[replace(p, error_code=code) for p in t.partitions]) for t in answer.topics],
        )

    lie(broker, request_class, moved)
    async with Admin("fake", request_timeout_ms=SECONDS * 1000, surroundings=broker.surroundings) as admin:
        with trio.fail_after(SECONDS + 1), pytest.raises(CoordinatorUnavailable):
            await admin.alter_group_offsets("g", {ORDERS: 1})
    assert broker.count(request_class) < PACED


# ------------------------------------------------------------------------------------------------------- writing


def refused(code: ErrorCode) -> Any:
    """Each time with a newer leader, which is the same."""
    epoch = 0

    def answer(request: Any, answer: Any) -> Any:
        nonlocal epoch
        epoch += 1
        leader = LeaderIdAndEpoch(NODE_ID, epoch)
        topics = [
            replace(
                t,
                partition_responses=[replace(p, error_code=code, current_leader=leader) for p in t.partition_responses],
            )
            for t in answer.responses
        ]
        return replace(answer, responses=topics)

    return answer


@pytest.mark.parametrize(
    "code",
    [
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode.UNKNOWN_PRODUCER_ID,
        ErrorCode.INVALID_PRODUCER_EPOCH,
        ErrorCode.REQUEST_TIMED_OUT,
    ],
)
async def test_a_record_that_is_refused_for_ever_is_given_up_in_time_and_sent_with_pauses(
    broker: FakeBroker, autojump_clock: Any, code: ErrorCode
) -> None:
    lie(broker, ProduceRequest, refused(code))
    limits = {"delivery_timeout_ms": SECONDS * 1000, "request_timeout_ms": 1000}
    async with Producer("fake", surroundings=broker.surroundings, **limits) as producer:  # type: ignore[arg-type]
        with trio.fail_after(SECONDS + 1), pytest.raises(DeliveryTimedOut, match=code.name):
            await producer.send_and_wait("orders", b"x")
    assert broker.count(ProduceRequest) < PACED


@pytest.mark.parametrize(("producer_id", "epoch"), [(-1, 0), (7, -1), (-(2**63), 0)])
async def test_an_identity_that_is_none_is_not_asked_for_again(
    broker: FakeBroker, autojump_clock: Any, producer_id: int, epoch: int
) -> None:
    def nobody(request: Any, answer: Any) -> Any:
        return replace(answer, producer_id=producer_id, producer_epoch=epoch)

    lie(broker, InitProducerIdRequest, nobody)
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        with trio.fail_after(SECONDS), pytest.raises(BadAnswer, match="producer id"):
            await producer.send_and_wait("orders", b"x")
    assert broker.count(InitProducerIdRequest) == 1


@pytest.mark.parametrize("error", [ErrorCode.NOT_COORDINATOR, ErrorCode.CONCURRENT_TRANSACTIONS])
async def test_a_transactional_producer_that_is_never_let_in_says_so_in_time(
    broker: FakeBroker, autojump_clock: Any, error: ErrorCode
) -> None:
    lie(broker, InitProducerIdRequest, code(error))
    limits = {"max_block_ms": SECONDS * 1000, "transactional_id": "tx"}
    with trio.fail_after(SECONDS + 1), pytest.raises(BrokerError, match=error.name):
        async with Producer("fake", surroundings=broker.surroundings, **limits):  # type: ignore[arg-type]
            pass
    assert broker.count(InitProducerIdRequest) < PACED


# ------------------------------------------------------------------------------------------- versions and connections


async def test_versions_that_shrink_are_an_error_by_name(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        assert (await anext(consumer)).offset == 0
        broker.versions[1] = (0, -1)
        for place in consumer._cluster._pool._places.values():
            if place.connection is not None:
                place.connection.close()
        consumer.seek(ORDERS, 5)
        with trio.fail_after(SECONDS), pytest.raises(UnsupportedVersion, match="Fetch"):
            await consumer.poll()


@pytest.mark.parametrize("theirs", [-5, 99])
async def test_a_broker_that_finds_no_version_of_api_versions_right_is_given_up(
    broker: FakeBroker, autojump_clock: Any, theirs: int
) -> None:
    def other(request: Any, answer: Any) -> Any:
        keys = [replace(each, max_version=theirs) if each.api_key == 18 else each for each in answer.api_keys]
        return replace(answer, error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=keys)

    broker.old_api_versions = True
    lie(broker, ApiVersionsRequest, other)
    with trio.fail_after(SECONDS + 1), pytest.raises(OdradekError):
        async with Admin("fake", connect_timeout_ms=SECONDS * 1000, surroundings=broker.surroundings):
            pass
    assert broker.count(ApiVersionsRequest) <= 3


@pytest.mark.parametrize(("host", "port"), [("x" * 300, 1), ("\0", 1), ("", -1), ("127.0.0.1", 70_000), ("a..b", 1)])
async def test_an_address_that_is_none_is_a_failed_connection(broker: FakeBroker, host: str, port: int) -> None:
    async with Admin("fake", surroundings=broker.surroundings) as admin:
        pool = admin._cluster._pool
        pool._surroundings = Surroundings()  # the system's own network
        with pytest.raises(ConnectionFailed):
            await pool.connect((host, port), "", host, port, str(BrokerAddress(1, host, port)))


def test_a_frame_takes_memory_only_as_its_bytes_arrive() -> None:
    receiver = FrameReceiver(256 * 2**20)
    tracemalloc.start()
    try:
        receiver.room()[:5] = struct.pack(">ib", 256 * 2**20, 7)
        receiver.received(5)
        assert receiver.next_frame() is None
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert len(receiver.room()) == 256 * 2**20 - 1


def test_a_huge_frame_comes_out_as_it_went_in() -> None:
    size = 9 * 2**20
    receiver = FrameReceiver(size)
    receiver.room()[:8] = struct.pack(">i", size) + b"head"
    receiver.received(8)
    assert receiver.next_frame() is None
    room = receiver.room()
    room[-4:] = b"tail"
    receiver.received(len(room))
    frame = receiver.next_frame()
    assert frame is not None
    assert (len(frame), bytes(frame[:4]), bytes(frame[-4:]), frame[100]) == (size, b"head", b"tail", 0)
