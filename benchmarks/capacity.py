"""What a core carries: the processor time of a broker for each request, megabyte, connection and partition.

    python -m benchmarks.run capacity

Python runs a broker on one core, so a core carries one second divided by what is measured here, less a reserve. The
time is that of the broker's own threads alone, by the clock that Linux has for each process: how fast the load comes,
and what making it costs, is no part of it. Sixteen connections have one request in flight each. "Two at once" is the
same request while a second broker gets as many: where it costs more, the brokers are in each other's way.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Iterator

from benchmarks.client_processes import fresh_topic
from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE, Contender
from benchmarks.flat_cost import idle_connections
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale
from benchmarks.startup import MIB, memory_mib
from odradek.protocol.headers import ApiMessage, encode_request
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from odradek.protocol.records.builder import BatchBuilder
from referee import BrokerProcess

SMALL, LARGE = 100, 1_000_000
CONNECTIONS = 16
SMALL_REQUESTS, LARGE_REQUESTS, METADATA_REQUESTS = 8_000, 400, 50
PRODUCE_VERSION, FETCH_VERSION, METADATA_VERSION = 9, 11, 9
ALL_IN_SYNC, FETCH_BYTES, PATIENCE_MS = -1, 1_100_000, 30_000

CPUCLOCK_SCHED = 2


class Peer:
    """One connection, one request in flight."""

    def __init__(self, broker: BrokerProcess) -> None:
        self._socket = socket.create_connection(("127.0.0.1", broker.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(4 * 1024 * 1024)

    def send(self, frame: bytes) -> None:
        self._socket.sendall(frame)

    def receive(self) -> int:
        """The size of the answer. Raises OSError."""
        view, got, size = memoryview(self._buffer), 0, 4
        while got < size:
            count = self._socket.recv_into(view[got:])
            if not count:
                raise OSError("the broker has closed the connection")
            got += count
            size = 4 + int.from_bytes(self._buffer[:4], "big") if got >= 4 else 4
        return size

    def close(self) -> None:
        self._socket.close()


def measure(contenders: list[Contender], scale: Scale) -> Iterator[Measurement]:
    """Starts and stops the brokers itself; they must not be running."""
    if sys.platform != "linux":
        return
    ours = [each for each in contenders if each.name in (PAGE_CACHE, FSYNC)]
    costs: dict[str, Measurement] = {}

    def add(what: str, unit: str, contender: Contender, value: float) -> None:
        name = f"core: {what}"
        costs.setdefault(name, Measurement(name, unit, False, KAFKA, in_picture=False)).add(contender.name, value)

    for contender in ours:
        with contender.broker as broker:
            for _ in range(scale.rounds):
                for what, unit, value in _requests(broker, scale):
                    add(what, unit, contender, value)
            for what, unit, value in [*_connections(broker, scale), *_partitions(broker, scale)]:
                add(what, unit, contender, value)
    if len(ours) > 1:
        with ours[0].broker as one, ours[1].broker as other:
            for _ in range(scale.rounds):
                for contender, value in zip(ours, _two_at_once(one, other, scale), strict=True):
                    add("Produce of one record, two brokers at once", "µs", contender, value)
    yield from costs.values()


def cpu_seconds(pid: int) -> float:
    """Of a process, with the threads that have ended; to the nanosecond. Linux numbers its processes' clocks so."""
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def _requests(broker: BrokerProcess, scale: Scale) -> Iterator[tuple[str, str, float]]:
    small, large = scale.records(SMALL_REQUESTS), max(20, round(LARGE_REQUESTS * scale.record_factor))
    with fresh_topic(broker) as topic, connected(broker) as peers:
        yield "Produce of one record", "µs", 1e6 * cost(broker, peers, small, produce(topic, SMALL))
        yield "Fetch of one record", "µs", 1e6 * cost(broker, peers, small, fetch(topic, 1))
    with fresh_topic(broker) as topic, connected(broker) as peers:
        yield "Produce of 1 MB", "ms", 1e3 * cost(broker, peers, large, produce(topic, LARGE))
        yield "Fetch of 1 MB", "ms", 1e3 * cost(broker, peers, large, fetch(topic, FETCH_BYTES))


def _connections(broker: BrokerProcess, scale: Scale) -> Iterator[tuple[str, str, float]]:
    before_mib = memory_mib(broker.pid)
    with idle_connections(broker.port, scale.connections):
        time.sleep(1)
        yield "an idle connection", "KiB", (memory_mib(broker.pid) - before_mib) * MIB / 1024 / scale.connections


def _partitions(broker: BrokerProcess, scale: Scale) -> Iterator[tuple[str, str, float]]:
    before_mib = memory_mib(broker.pid)
    with fresh_topic(broker, scale.partitions) as topic, connected(broker, 1) as peers:
        time.sleep(1)
        yield "a partition", "KiB", (memory_mib(broker.pid) - before_mib) * MIB / 1024 / scale.partitions
        spent = cpu_seconds(broker.pid)
        time.sleep(scale.idle_seconds)
        idle_percent = 100 * (cpu_seconds(broker.pid) - spent) / scale.idle_seconds
        yield f"{scale.partitions} idle partitions", "% of a core", idle_percent
        asked = MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=False)
        frame = _frame(asked, METADATA_VERSION)
        took_s = cost(broker, peers, METADATA_REQUESTS, frame)
        yield f"Metadata of {scale.partitions} partitions", "ms", 1e3 * took_s
        peers[0].send(frame)
        yield "Metadata of a partition", "bytes", peers[0].receive() / scale.partitions


def _two_at_once(one: BrokerProcess, other: BrokerProcess, scale: Scale) -> list[float]:
    """The cost of a Produce to each, in µs."""
    brokers, count = [one, other], scale.records(SMALL_REQUESTS)
    with fresh_topic(one) as first, fresh_topic(other) as second, connected(one) as some, connected(other) as others:
        pairs = [(peer, produce(first, SMALL)) for peer in some] + [(peer, produce(second, SMALL)) for peer in others]
        before = [cpu_seconds(each.pid) for each in brokers]
        for _ in range(count // CONNECTIONS):
            _round(pairs)
        return [1e6 * (cpu_seconds(each.pid) - at) / count for each, at in zip(brokers, before, strict=True)]


def cost(broker: BrokerProcess, peers: list[Peer], count: int, frame: bytes) -> float:
    """Seconds of the broker's processor time for each request. A tenth of them before that warms up."""
    pairs = [(peer, frame) for peer in peers]
    rounds = max(1, count // len(peers))
    for _ in range(max(1, rounds // 10)):
        _round(pairs)
    before = cpu_seconds(broker.pid)
    for _ in range(rounds):
        _round(pairs)
    return (cpu_seconds(broker.pid) - before) / (rounds * len(peers))


def _round(pairs: list[tuple[Peer, bytes]]) -> None:
    for peer, frame in pairs:
        peer.send(frame)
    for peer, _ in pairs:
        peer.receive()


@contextlib.contextmanager
def connected(broker: BrokerProcess, count: int = CONNECTIONS) -> Iterator[list[Peer]]:
    peers = [Peer(broker) for _ in range(count)]
    try:
        yield peers
    finally:
        for each in peers:
            each.close()


def produce(topic: str, value_bytes: int) -> bytes:
    """A request of one record, to be acknowledged by all in sync."""
    builder = BatchBuilder()
    builder.append(None, bytes(value_bytes), (), 1)
    data = PartitionProduceData(index=0, records=bytes(builder.build()))
    topics = [TopicProduceData(name=topic, partition_data=[data])]
    return _frame(ProduceRequest(acks=ALL_IN_SYNC, timeout_ms=PATIENCE_MS, topic_data=topics), PRODUCE_VERSION)


def fetch(topic: str, max_bytes: int) -> bytes:
    """A request of the first batches of a partition, of one at least."""
    wanted = FetchPartition(partition=0, current_leader_epoch=-1, fetch_offset=0, partition_max_bytes=max_bytes)
    topics = [FetchTopic(topic=topic, partitions=[wanted])]
    asked = FetchRequest(session_epoch=-1, max_wait_ms=PATIENCE_MS, min_bytes=1, max_bytes=max_bytes, topics=topics)
    return _frame(asked, FETCH_VERSION)


def _frame(message: ApiMessage, version: int) -> bytes:
    return b"".join(bytes(piece) for piece in encode_request(message, version, 1, "capacity"))  # type: ignore[call-overload]
