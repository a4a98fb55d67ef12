"""A real broker on real sockets, in this process: order, long polls, and what hostile bytes do to it."""

from __future__ import annotations

import random
import struct
from collections.abc import AsyncIterator, Sized
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
import trio
from msgspec import Struct

from odradek.protocol.codec import decode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import ApiMessage, encode_request, read_response_header
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from odradek.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record, decode_records
from odradek_broker.config import BrokerConfig, load_broker_config
from odradek_broker.ports.clock import SystemClock
from odradek_broker.ports.disk import RealDisk
from odradek_broker.ports.network import TcpNetwork
from odradek_broker.runtime.broker import Broker
from odradek_broker.server.server import Server

R = TypeVar("R", bound=Struct)


class Peer:
    """A client that knows frames only."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._sent = 0

    async def send(self, request: ApiMessage, version: int) -> None:
        self._sent += 1
        pieces: list[Any] = list[Sized](encode_request(request, version, self._sent, "test"))
        await self.stream.send_all(b"".join(pieces))

    async def receive(self, kind: type[R], version: int) -> tuple[int, R]:
        (size,) = struct.unpack(">i", await self._exactly(4))
        frame = await self._exactly(size)
        correlation_id, position = read_response_header(frame, cast("type[ApiMessage]", kind), version)
        return correlation_id, decode(kind, frame, version, position)

    async def ask(self, request: ApiMessage, kind: type[R], version: int) -> R:
        await self.send(request, version)
        correlation_id, response = await self.receive(kind, version)
        assert correlation_id == self._sent
        return response

    async def is_closed(self) -> bool:
        with trio.fail_after(5):
            try:
                while await self.stream.receive_some():
                    pass
            except trio.BrokenResourceError:
                pass
        return True

    async def _exactly(self, count: int) -> bytes:
        received = b""
        while len(received) < count:
            more = await self.stream.receive_some(count - len(received))
            assert more, "the broker has closed the connection"
            received += more
        return received


class Served:
    def __init__(self, broker: Broker, port: int) -> None:
        self.broker = broker
        self._port = port
        self._streams: list[trio.SocketStream] = []

    async def connect(self) -> Peer:
        stream = await trio.open_tcp_stream("127.0.0.1", self._port)
        self._streams.append(stream)
        return Peer(stream)

    async def disconnect_all(self) -> None:
        for stream in self._streams:
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def serving(directory: Path, **settings: str) -> AsyncIterator[Served]:
    dotted = {name.replace("_", "."): value for name, value in settings.items()}
    config: BrokerConfig = load_broker_config(
        None, {}, {"listeners": "127.0.0.1:0", "log.dir": str(directory), **dotted}
    ).config
    broker = Broker(config, disk=RealDisk(), clock=SystemClock(), random=random.Random(1))
    server = Server(broker, TcpNetwork(), SystemClock())
    async with trio.open_nursery() as nursery:
        ((_, port),) = await nursery.start(server.run)
        served = Served(broker, port)
        try:
            yield served
        finally:
            with trio.CancelScope(shield=True):
                await served.disconnect_all()
        nursery.cancel_scope.cancel()


def produce(*values: bytes, acks: int = -1, spoil: bool = False) -> ProduceRequest:
    batch = bytearray(build_batch([Record(timestamp=1, value=value) for value in values]))
    if spoil:
        batch[-1] ^= 1
    return ProduceRequest(None, acks, 5000, [TopicProduceData("t", partition_data=[PartitionProduceData(0, batch)])])


def fetch(offset: int, *, max_wait_ms: int = 0, max_bytes: int = 1 << 20) -> FetchRequest:
    wanted = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=max_bytes)
    return FetchRequest(max_wait_ms=max_wait_ms, min_bytes=1, topics=[FetchTopic(topic="t", partitions=[wanted])])


async def make_topic(peer: Peer) -> None:
    await peer.ask(MetadataRequest([MetadataRequestTopic(name="t")], True), MetadataResponse, 9)


async def test_what_is_produced_is_fetched(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await make_topic(peer)
        produced = await peer.ask(produce(b"a", b"b"), ProduceResponse, 9)
        assert produced.responses[0].partition_responses[0].base_offset == 0
        fetched = (await peer.ask(fetch(0), FetchResponse, 11)).responses[0].partitions[0]
        assert [record.value for record in decode_records(cast("memoryview", fetched.records))] == [b"a", b"b"]
        assert fetched.high_watermark == 2


async def test_pipelined_requests_are_answered_in_their_order(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await make_topic(peer)
        for number in range(20):
            await peer.send(produce(b"%d" % number), 9)
            await peer.send(ApiVersionsRequest(), 0)
            await peer.send(fetch(0), 11)
        for number in range(20):
            assert (await peer.receive(ProduceResponse, 9))[0] == 3 * number + 2
            assert (await peer.receive(ApiVersionsResponse, 0))[0] == 3 * number + 3
            correlation_id, fetched = await peer.receive(FetchResponse, 11)
            assert correlation_id == 3 * number + 4
            assert fetched.responses[0].partitions[0].high_watermark == number + 1


async def test_a_long_poll_is_woken_by_an_append(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        reader, writer = await served.connect(), await served.connect()
        await make_topic(reader)
        await reader.send(fetch(0, max_wait_ms=60_000), 11)
        await writer.ask(produce(b"now"), ProduceResponse, 9)
        with trio.fail_after(5):
            _, fetched = await reader.receive(FetchResponse, 11)
        assert len(fetched.responses[0].partitions[0].records or b"") > 0


async def test_a_batch_that_fails_its_checksum_is_corrupt_and_not_appended(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await make_topic(peer)
        refused = await peer.ask(produce(b"a", spoil=True), ProduceResponse, 9)
        assert refused.responses[0].partition_responses[0].error_code == ErrorCode.CORRUPT_MESSAGE
        assert (await peer.ask(fetch(0), FetchResponse, 11)).responses[0].partitions[0].high_watermark == 0


async def test_offsets_outside_of_the_log_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await make_topic(peer)
        found = (await peer.ask(fetch(5), FetchResponse, 11)).responses[0].partitions[0]
        assert (found.error_code, found.high_watermark) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)


async def test_acks_0_has_no_answer_and_an_error_closes(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await make_topic(peer)
        await peer.send(produce(b"a", acks=0), 9)
        await peer.send(ApiVersionsRequest(), 0)
        assert (await peer.receive(ApiVersionsResponse, 0))[0] == 3
        await peer.send(produce(b"a", acks=0, spoil=True), 9)
        assert await peer.is_closed()


async def test_an_unknown_version_of_api_versions_is_told_ours(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await peer.stream.send_all(struct.pack(">ihhih", 10, 18, 99, 1, -1))
        _, answer = await peer.receive(ApiVersionsResponse, 0)
        assert answer.error_code == ErrorCode.UNSUPPORTED_VERSION
        assert [(api.api_key, api.max_version) for api in answer.api_keys] == [(18, 4)]


BAD_FRAMES = {
    "negative size": struct.pack(">i", -1),
    "oversized": struct.pack(">i", 0x7FFF_FFFF),
    "unknown API": struct.pack(">ihhih", 10, 999, 0, 1, -1),
    "unknown version": struct.pack(">ihhih", 10, 3, 99, 1, -1),
    "body missing": struct.pack(">ihhih", 10, 3, 9, 1, -1),
    "array beyond the frame": struct.pack(">ihhihi", 14, 3, 1, 1, -1, 0x7FFF_FFFF),
    "text": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("bad", BAD_FRAMES.values(), ids=BAD_FRAMES)
async def test_a_bad_frame_closes_its_connection_and_no_other(tmp_path: Path, bad: bytes) -> None:
    async with serving(tmp_path) as served:
        neighbour, peer = await served.connect(), await served.connect()
        await peer.stream.send_all(bad)
        assert await peer.is_closed()
        assert (await neighbour.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)).error_code == 0


async def test_garbage_of_any_kind_leaves_the_broker_up(tmp_path: Path) -> None:
    dice = random.Random(3)
    async with serving(tmp_path) as served:
        neighbour = await served.connect()
        for _ in range(300):
            peer = await served.connect()
            header = struct.pack(">hhih", dice.randrange(76), dice.randrange(14), 1, -1)
            body = bytes(dice.choice((0, 0, 0, 1, 2, 127, 255)) for _ in range(dice.randrange(200)))
            await peer.stream.send_all(struct.pack(">i", len(header) + len(body)) + header + body)
            await peer.stream.send_eof()
            assert await peer.is_closed()
        assert (await neighbour.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)).error_code == 0


async def test_connections_beyond_the_limit_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, max_connections_per_ip="2") as served:
        first, _ = await served.connect(), await served.connect()
        await first.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)
        assert await (await served.connect()).is_closed()
        assert (await first.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)).error_code == 0
