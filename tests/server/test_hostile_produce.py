"""Produce requests of somebody who means harm: refused by their right names, in bounded memory, to nobody's cost."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.api_versions import ApiVersionsRequest
from odradek.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from odradek.protocol.records.codecs import Codec
from referee import Odradek
from tests.server.forged_batches import bomb_batch, forged, good_batch
from tests.server.served_broker import Peer, fetch, frame_of, produce, produce_batch, serving

HUGE = 2**31 - 1
HEADER_BYTES = 61
BOMB_MIB = 512
MAX_GROWTH_MIB = 250
"""A batch is undone up to 64 MiB, one at a time; zlib has that in pieces first, and then once more as a whole."""

HOSTILE: dict[str, tuple[Callable[[], bytes | bytearray | None], ErrorCode]] = {
    "a wrong checksum": (lambda: good_batch()[:-1] + b"\xff", ErrorCode.CORRUPT_MESSAGE),
    "cut off in its records": (lambda: good_batch()[:-1], ErrorCode.CORRUPT_MESSAGE),
    "cut off in its header": (lambda: good_batch()[:30], ErrorCode.CORRUPT_MESSAGE),
    "cut off behind its header": (lambda: good_batch()[:HEADER_BYTES], ErrorCode.CORRUPT_MESSAGE),
    "bytes behind it": (lambda: good_batch() + bytes(5), ErrorCode.CORRUPT_MESSAGE),
    "no records at all": (lambda: b"", ErrorCode.INVALID_RECORD),
    "records that are null": (lambda: None, ErrorCode.INVALID_RECORD),
    "two batches": (lambda: good_batch() + good_batch(), ErrorCode.INVALID_RECORD),
    "magic 3": (lambda: forged(magic=3), ErrorCode.INVALID_RECORD),
    "magic 1": (lambda: forged(magic=1), ErrorCode.INVALID_RECORD),
    "magic -1": (lambda: forged(magic=-1), ErrorCode.INVALID_RECORD),
    "a negative length": (lambda: forged(batch_length=-1), ErrorCode.CORRUPT_MESSAGE),
    "a length of nothing": (lambda: forged(batch_length=0), ErrorCode.CORRUPT_MESSAGE),
    "a length beyond all": (lambda: forged(batch_length=HUGE), ErrorCode.CORRUPT_MESSAGE),
    "an unknown codec": (lambda: forged(attributes=7), ErrorCode.CORRUPT_MESSAGE),
    "a negative record count": (lambda: forged(record_count=-1), ErrorCode.INVALID_RECORD),
    "a negative count and delta": (lambda: forged(record_count=-1, last_offset_delta=-2), ErrorCode.INVALID_RECORD),
    "no record": (lambda: forged(record_count=0, last_offset_delta=-1), ErrorCode.INVALID_RECORD),
    "a count that is not the delta's": (lambda: forged(record_count=1), ErrorCode.INVALID_RECORD),
    "more records than bytes": (
        lambda: forged(record_count=HUGE, last_offset_delta=HUGE - 1),
        ErrorCode.INVALID_RECORD,
    ),
    "more compressed records than anybody can undo": (
        lambda: forged(attributes=Codec.ZSTD, record_count=HUGE, last_offset_delta=HUGE - 1),
        ErrorCode.INVALID_RECORD,
    ),
    "a base offset": (lambda: forged(base_offset=5), ErrorCode.INVALID_RECORD),
    "a control batch": (lambda: forged(attributes=0x20), ErrorCode.INVALID_RECORD),
    "a transactional batch": (
        lambda: forged(attributes=0x10, producer_id=1),
        ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ),
    "a producer without an epoch": (lambda: forged(producer_id=1, base_sequence=0), ErrorCode.INVALID_RECORD),
    "LogAppendTime": (lambda: forged(attributes=0x08), ErrorCode.INVALID_TIMESTAMP),
    "the end of time": (lambda: forged(max_timestamp=2**63 - 1), ErrorCode.INVALID_TIMESTAMP),
    "a batch beyond max.message.bytes": (lambda: good_batch(bytes(1_100_000)), ErrorCode.MESSAGE_TOO_LARGE),
}


@pytest.mark.parametrize(("make", "error"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_batch_is_refused_by_name_and_leaves_no_trace(
    tmp_path: Path, make: Callable[[], bytes | bytearray | None], error: ErrorCode
) -> None:
    async with serving(tmp_path) as served:
        peer, neighbour = await served.connect(), await served.connect()
        await peer.make_topic()
        for acks in (-1, 1):
            assert (await peer.produce(produce_batch(make(), acks=acks))).error_code == error
        assert (await neighbour.produce(produce(b"good"))).base_offset == 0
        assert await neighbour.values() == [b"good"]


@pytest.mark.parametrize("acks", [7, 2, -2, -32768])
async def test_acks_that_nobody_knows_are_refused(tmp_path: Path, acks: int) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await peer.make_topic()
        assert (await peer.produce(produce(b"a", acks=acks))).error_code == ErrorCode.INVALID_REQUIRED_ACKS
        assert await peer.values() == []


async def test_what_is_not_there_cannot_be_written_to(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await peer.make_topic()
        for topic, partition in [("nowhere", 0), ("", 0), ("../t", 0), ("t", 1), ("t", -1), ("t", HUGE)]:
            refused = await peer.produce(produce_batch(good_batch(), topic=topic, partition=partition))
            assert refused.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        refused = await peer.produce(produce_batch(good_batch(), topic="__consumer_offsets"))
        assert refused.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION


async def test_a_count_that_lies_inside_a_compressed_batch_harms_only_those_who_look_inside(tmp_path: Path) -> None:
    """Batches are not unpacked where nothing asks for it; whoever asks for a time is told what is wrong."""
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await peer.make_topic()
        liar = bomb_batch(Codec.GZIP, 1, record_count=1000)
        assert (await peer.produce(produce_batch(liar))).error_code == ErrorCode.NONE
        assert (await peer.produce(produce(b"good"))).base_offset == 1000
        wanted = ListOffsetsRequest(-1, 0, [ListOffsetsTopic("t", [ListOffsetsPartition(0, -1, 1)])])
        found = await peer.ask(wanted, ListOffsetsResponse, 7)
        assert found.topics[0].partitions[0].error_code == ErrorCode.CORRUPT_MESSAGE
        assert (await peer.fetch(fetch(1000))).error_code == ErrorCode.NONE


# A broker in a process of its own, whose memory can be measured.


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odradek]:
    judged = Odradek(tmp_path_factory.mktemp("hostile") / "data", {"log.cleaner.backoff.ms": "1000000"})
    judged.start()
    try:
        yield judged
    finally:
        status = judged.stop()
    assert status == 0
    assert "Traceback" not in "".join(judged.lines)


def begin_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_mib(pid: int) -> float:
    """The most memory that a process has had since its peak began."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")
@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
@pytest.mark.parametrize("topic_config", [{"cleanup_policy": "compact"}, {"compression_type": "uncompressed"}])
async def test_a_bomb_is_refused_in_bounded_memory(broker: Odradek, codec: Codec, topic_config: dict[str, str]) -> None:
    """On the topics whose batches are unpacked."""
    begin_peak(broker.pid)
    before = peak_mib(broker.pid)
    async with peer_of(broker) as peer, peer_of(broker) as neighbour:
        topic = f"bombs-{codec}-{next(iter(topic_config))}"
        await peer.make_topic(topic, max_message_bytes="40000000", **topic_config)
        for size_mib in (100, BOMB_MIB):
            refused = await peer.produce(produce_batch(bomb_batch(codec, size_mib), topic=topic))
            assert refused.error_code in (
                ErrorCode.CORRUPT_MESSAGE,
                ErrorCode.INVALID_RECORD,
                ErrorCode.MESSAGE_TOO_LARGE,
            )
        assert (await neighbour.fetch(fetch(0, topic=topic))).high_watermark == 0
        assert await neighbour.is_answered()
    assert peak_mib(broker.pid) - before < MAX_GROWTH_MIB


@contextlib.asynccontextmanager
async def peer_of(broker: Odradek):  # type: ignore[no-untyped-def]
    async with await trio.open_tcp_stream("127.0.0.1", broker.port) as stream:
        yield Peer(stream)


# Mutations. Each of them leaves the size in front true, so that the broker has the whole frame.

FUZZED_TOPIC = "fuzzed"
GOOD_FRAME = frame_of(produce_batch(good_batch(b"one", b"two"), topic=FUZZED_TOPIC), 9)
BATCH_AT = GOOD_FRAME.index(good_batch(b"one", b"two")[:17])


@st.composite
def mutated_frames(draw: st.DrawFn) -> bytes:
    """A good frame with some bytes changed, removed, doubled or put in."""
    frame = bytearray(GOOD_FRAME[4:])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(frame) - 1))
        match draw(st.sampled_from(["changed", "removed", "doubled", "inserted", "cut"])):
            case "changed":
                frame[at] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
            case "removed":
                del frame[at : at + draw(st.integers(1, 8))]
            case "doubled":
                frame[at:at] = frame[at : at + draw(st.integers(1, 30))]
            case "inserted":
                frame[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "cut":
                del frame[max(at, 1) :]
        if not frame:
            break
    return struct.pack(">i", len(frame)) + frame


INTS = st.sampled_from([0, 1, -1, 2, 127, -128]) | st.integers(-(2**15), 2**15 - 1)
LONGS = INTS | st.sampled_from([2**31 - 1, -(2**31)])


@st.composite
def forged_frames(draw: st.DrawFn) -> bytes:
    """A good frame whose batch lies in its header, or is not what it says inside; the checksum is right."""
    fields = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "attributes": INTS,
                "last_offset_delta": LONGS,
                "record_count": LONGS,
                "base_timestamp": LONGS | st.sampled_from([2**63 - 1, -(2**63)]),
                "max_timestamp": LONGS | st.sampled_from([2**63 - 1, -(2**63)]),
                "producer_id": LONGS | st.sampled_from([2**63 - 1, -(2**63)]),
                "producer_epoch": INTS,
                "base_sequence": LONGS,
            },
        )
    )
    count = draw(st.sampled_from([None, 1, 2, 3]))
    if count is not None:  # the two that must agree, so that what lies behind that check is reached
        fields |= {"record_count": count, "last_offset_delta": count - 1}
    payload = draw(st.none() | st.binary(max_size=60))
    acks = draw(st.sampled_from([-1, 0, 1]))
    topic = draw(st.sampled_from([FUZZED_TOPIC, FUZZED_TOPIC + "-compacted"]))
    batch = forged(good_batch(b"one", b"two"), payload=payload, **fields)
    return frame_of(produce_batch(batch, acks=acks, topic=topic), 9)


def send_alone(broker: Odradek, frame: bytes) -> bytes:
    """All that the broker answers to a frame on a connection of its own, until it closes."""
    with socket.create_connection(("127.0.0.1", broker.port), timeout=10) as connected:
        connected.sendall(frame)
        with contextlib.suppress(OSError):  # the broker may have closed already
            connected.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while more := connected.recv(65536):
                answer += more
        return answer


@pytest.fixture(scope="module")
def fuzzed(broker: Odradek) -> Odradek:
    async def make_topics() -> None:
        async with peer_of(broker) as peer:
            await peer.make_topic(FUZZED_TOPIC)
            await peer.make_topic(FUZZED_TOPIC + "-compacted", cleanup_policy="compact")

    trio.run(make_topics)
    return broker


FUZZING = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@FUZZING
@given(frame=mutated_frames() | forged_frames())
@example(frame=GOOD_FRAME)
def test_whatever_is_sent_the_broker_answers_or_closes_and_others_are_served(fuzzed: Odradek, frame: bytes) -> None:
    answer = send_alone(fuzzed, frame)
    if answer:
        (size,) = struct.unpack_from(">i", answer)
        assert len(answer) == 4 + size, "not one whole answer"
    assert send_alone(fuzzed, frame_of(ApiVersionsRequest(), 0, 77))[4:10] == struct.pack(">ih", 77, 0)
