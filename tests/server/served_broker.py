"""A real broker on real sockets, in this process, and peers that know frames only."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import AsyncIterator, Sized
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast, overload

import trio
from msgspec import Struct

from odradek.protocol.codec import decode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import ApiMessage, encode_request, read_response_header
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData
from odradek.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record, decode_records
from odradek_broker.config import BrokerConfig, load_broker_config
from odradek_broker.node.broker import Broker
from odradek_broker.node.node import Node
from odradek_broker.ports.clock import Clock, SystemClock
from odradek_broker.ports.disk import Disk, RealDisk
from odradek_broker.ports.tcp_network import TcpNetwork
from odradek_broker.server.memory import MemoryBudget
from odradek_broker.server.server import Server

R = TypeVar("R", bound=Struct)


class HandClock:
    """Its monotonic time moves when a test says so, and only then."""

    def __init__(self) -> None:
        self._monotonic_ms = 1_000_000

    def now_ms(self) -> int:
        return SystemClock().now_ms()

    def monotonic_ms(self) -> int:
        return self._monotonic_ms

    def advance(self, milliseconds: int) -> None:
        self._monotonic_ms += milliseconds


class Peer:
    """A client that knows frames only."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._sent = 0

    async def send(self, request: ApiMessage, version: int) -> None:
        self._sent += 1
        await self.stream.send_all(frame_of(request, version, self._sent))

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

    async def is_answered(self) -> bool:
        """Whether the broker serves this connection."""
        with trio.fail_after(5):
            return (await self.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)).error_code == 0

    async def is_closed(self) -> bool:
        with trio.fail_after(5):
            try:
                while await self.stream.receive_some():
                    pass
            except trio.BrokenResourceError:
                pass
        return True

    async def produce(self, request: ProduceRequest) -> PartitionProduceResponse:
        await self.send(request, 9)
        return await self.receive_produced()

    async def receive_produced(self) -> PartitionProduceResponse:
        with trio.fail_after(10):
            return (await self.receive(ProduceResponse, 9))[1].responses[0].partition_responses[0]

    async def fetch(self, request: FetchRequest) -> PartitionData:
        with trio.fail_after(10):
            return (await self.ask(request, FetchResponse, 11)).responses[0].partitions[0]

    async def values(self, topic: str = "t") -> list[bytes | None]:
        """What a consumer sees of a topic's partition 0."""
        fetched = await self.fetch(fetch(0, topic=topic))
        assert fetched.error_code == ErrorCode.NONE
        return [record.value for record in decode_records(cast("memoryview", fetched.records))]

    async def make_topic(self, name: str = "t", partitions: Any = 1, **configs: str) -> None:
        own = [CreatableTopicConfig(key.replace("_", "."), value) for key, value in configs.items()]
        request = CreateTopicsRequest([CreatableTopic(name, partitions, 1, configs=own)])
        made = await self.ask(request, CreateTopicsResponse, 7)
        assert made.topics[0].error_code == ErrorCode.NONE, made

    async def _exactly(self, count: int) -> bytes:
        received = bytearray()
        while len(received) < count:
            more = await self.stream.receive_some(count - len(received))
            assert more, "the broker has closed the connection"
            received += more
        return bytes(received)


class Served:
    """The broker of a test, seen from outside; and from inside, where a test has to move its time."""

    def __init__(self, broker: Broker, server: Server, clock: Clock, port: int) -> None:
        self.broker = broker
        self.port = port
        self._server = server
        self._clock = clock
        self._streams: dict[trio.SocketStream, None] = {}

    @property
    def connection_count(self) -> int:
        return len(self._server._connections)

    @property
    def memory(self) -> MemoryBudget:
        return self._server._memory

    async def stop(self) -> None:
        await self._server.stop()

    def tick(self) -> None:
        """What the server does once a second."""
        for connection in list(self._server._connections):
            connection.tick(self._clock.monotonic_ms(), self.broker.config.connections_max_idle_ms)

    async def connect(self, *, address: str = "127.0.0.1", window_bytes: int | None = None) -> Peer:
        """A peer from a loopback address; with a small window, what it does not read stays with the broker."""
        connecting = trio.socket.socket()
        if window_bytes is not None:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window_bytes)
        await connecting.bind((address, 0))
        await connecting.connect(("127.0.0.1", self.port))
        stream = trio.SocketStream(connecting)
        self.close_in_the_end(stream)
        return Peer(stream)

    def close_in_the_end(self, stream: trio.SocketStream) -> None:
        self._streams[stream] = None

    async def disconnect(self, peer: Peer) -> None:
        del self._streams[peer.stream]
        await trio.aclose_forcefully(peer.stream)

    async def disconnect_all(self) -> None:
        for stream in self._streams:
            await trio.aclose_forcefully(stream)


# One for each set of parameters: else a dictionary of settings might stand for any of them.
@overload
def serving(directory: Path, **settings: str) -> AbstractAsyncContextManager[Served]: ...
@overload
def serving(directory: Path, *, clock: Clock, **settings: str) -> AbstractAsyncContextManager[Served]: ...
@overload
def serving(directory: Path, *, disk: Disk, **settings: str) -> AbstractAsyncContextManager[Served]: ...
@overload
def serving(directory: Path, *, seed: int, **settings: str) -> AbstractAsyncContextManager[Served]: ...
@overload
def serving(directory: Path, *, disk: Disk, clock: Clock, **settings: str) -> AbstractAsyncContextManager[Served]: ...
@asynccontextmanager
async def serving(
    directory: Path, *, disk: Any = None, clock: Any = None, seed: Any = 1, **settings: str
) -> AsyncIterator[Served]:
    """Settings are Kafka's, with underscores for dots. Who starts a broker again gives it another seed: else it has the
    same incarnation, and the controller takes it for the one before.
    """
    dotted = {name.replace("_", "."): value for name, value in settings.items()}
    config: BrokerConfig = load_broker_config(
        None, {}, {"listeners": "127.0.0.1:0", "log.dir": str(directory), **dotted}
    ).config
    clock = clock or SystemClock()
    network = TcpNetwork()
    node = Node(config, disk=disk or RealDisk(), clock=clock, random=random.Random(seed), network=network)
    server = Server(node, network, clock)
    async with trio.open_nursery() as nursery:
        (_, port), *_ = await nursery.start(server.run)
        assert node.broker is not None
        served = Served(node.broker, server, clock, port)
        try:
            yield served
        finally:
            with trio.CancelScope(shield=True):
                await served.disconnect_all()
        nursery.cancel_scope.cancel()


def frame_of(request: ApiMessage, version: int, correlation_id: int = 1) -> bytes:
    """The whole frame of a request."""
    pieces: list[Any] = list[Sized](encode_request(request, version, correlation_id, "test"))
    return b"".join(pieces)


def produce_batch(
    batch: bytes | bytearray | None, *, acks: int = -1, topic: str = "t", partition: int = 0
) -> ProduceRequest:
    """A request that carries any bytes as its records."""
    data = [PartitionProduceData(partition, batch)]
    return ProduceRequest(None, acks, 5000, [TopicProduceData(topic, partition_data=data)])


def produce(*values: bytes, acks: int = -1, topic: str = "t", spoil: bool = False) -> ProduceRequest:
    batch = build_batch([Record(timestamp=1, value=value) for value in values])
    if spoil:
        batch[-1] ^= 1
    return produce_batch(batch, acks=acks, topic=topic)


def fetch(offset: int, *, max_wait_ms: int = 0, max_bytes: int = 1 << 20, topic: str = "t") -> FetchRequest:
    wanted = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=max_bytes)
    return FetchRequest(max_wait_ms=max_wait_ms, min_bytes=1, topics=[FetchTopic(topic=topic, partitions=[wanted])])
