"""What must not matter: how many partitions, how many connections, how much is in the log.

    python -m benchmarks.run flat_cost

Odradek against itself: 1 KB records into one partition and one record in flight, with nothing else there, with many
partitions, and with many idle connections; one in flight while workers look into batches; the start after a clean stop
with an empty and with a large log.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from benchmarks.client_processes import fresh_topic, make_topic, run_client
from benchmarks.contenders import PAGE_CACHE, Contender
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale
from benchmarks.startup import seconds_to_first_ack
from referee import BrokerProcess

ALONE, LOOKS = "alone", "workers at work"
LONG_BATCH_RECORDS = 10_000
RECORDS = 400_000
ROUND_TRIPS = 2_000
VALUE_BYTES = 1_000
BIG_VALUE_BYTES = 100_000


def measure(contenders: list[Contender], scale: Scale) -> Iterator[Measurement]:
    """Starts and stops the broker itself; it must not be running."""
    broker = next(each.broker for each in contenders if each.name == PAGE_CACHE)
    partitions, connections = f"{scale.partitions} partitions", f"{scale.connections} connections"
    goals = {partitions: 0.8, connections: 0.8}
    into = Measurement("flat: in, 1 KB", "records/s", True, ALONE, goals)
    p50 = Measurement("flat: one in flight, p50", "ms", False, ALONE, dict.fromkeys(goals, 1.25))
    p99 = Measurement("flat: one in flight, p99", "ms", False, ALONE)

    def both(circumstance: str) -> None:
        for _ in range(scale.rounds):
            written, took = _one_round(broker, scale)
            into.add(circumstance, written)
            p50.add(circumstance, took["p50_ms"])
            p99.add(circumstance, took["p99_ms"])

    with broker:
        _one_round(broker, scale)  # warms up
        both(ALONE)
        with idle_connections(broker.port, scale.connections):
            both(connections)
        with fresh_topic(broker, scale.partitions) as crowd:
            _touch_every_partition(broker.bootstrap, crowd, scale.partitions)
            both(partitions)
        with _looks_into_batches(broker.bootstrap), fresh_topic(broker) as topic:
            for _ in range(scale.rounds):
                p99.add(LOOKS, _one_in_flight(broker.bootstrap, topic, scale)["p99_ms"])
    yield into
    yield p50
    yield p99
    yield _start_with_a_large_log(contenders, scale)


def _one_round(broker: BrokerProcess, scale: Scale) -> tuple[float, dict[str, float]]:
    with fresh_topic(broker) as topic:
        took = _one_in_flight(broker.bootstrap, topic, scale)
        records = scale.records(RECORDS)
        where = {"bootstrap": broker.bootstrap, "topic": topic}
        written = run_client("confluent", "produce", **where, records=records, value_bytes=VALUE_BYTES)
    return written["records_per_s"], took


def _one_in_flight(bootstrap: str, topic: str, scale: Scale) -> dict[str, float]:
    what = {"topic": topic, "records": scale.records(ROUND_TRIPS), "value_bytes": 100}
    return run_client("confluent", "latency", bootstrap=bootstrap, **what)


@contextlib.contextmanager
def _looks_into_batches(bootstrap: str) -> Iterator[None]:
    """Somebody asks for the youngest record, again and again, of a partition of long batches."""
    topic, is_over = "looked-into", threading.Event()
    make_topic(bootstrap, topic)
    records, config = LONG_BATCH_RECORDS, {"linger.ms": 1000, "batch.num.messages": LONG_BATCH_RECORDS}
    run_client("confluent", "produce", bootstrap=bootstrap, topic=topic, records=records, value_bytes=10, config=config)
    admin, partition = AdminClient({"bootstrap.servers": bootstrap}), TopicPartition(topic, 0)

    def ask() -> None:
        while not is_over.is_set():
            youngest = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
            admin.list_offsets({partition: youngest})[partition].result(30)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        is_over.set()
        asking.join()


@contextlib.contextmanager
def idle_connections(port: int, count: int) -> Iterator[None]:
    """Connections that have asked for ApiVersions, got their answer, and stay."""
    request = struct.pack(">hhih", 18, 0, 1, 4) + b"idle"
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            connection.sendall(struct.pack(">i", len(request)) + request)
            assert connection.recv(4, socket.MSG_WAITALL), "the broker closed an idle connection"
        yield


def _touch_every_partition(bootstrap: str, topic: str, partitions: int) -> None:
    what = {"bootstrap": bootstrap, "topic": topic, "partitions": partitions}
    run_client("confluent", "produce", **what, records=partitions * 1000, value_bytes=10)


def _start_with_a_large_log(contenders: list[Contender], scale: Scale) -> Measurement:
    """Spawn to first acknowledgement after a clean stop, of every broker, empty and large."""
    large = f"{scale.log_gigabytes:g} GB"
    started = Measurement("flat: start after a clean stop", "s", False, ALONE, {large: 1.25})
    broker = next(each.broker for each in contenders if each.name == PAGE_CACHE)
    topic = "large"
    with broker:
        make_topic(broker.bootstrap, topic)
    for _ in range(scale.rounds):
        started.add(ALONE, seconds_to_first_ack(broker, topic))
        broker.wait_ready()
        broker.stop()
    with broker:
        records = int(scale.log_gigabytes * 1e9 / BIG_VALUE_BYTES) // 1000 * 1000
        where = {"bootstrap": broker.bootstrap, "topic": topic}
        run_client("confluent", "produce", **where, records=max(records, 1000), value_bytes=BIG_VALUE_BYTES)
    for _ in range(scale.rounds):
        started.add(large, seconds_to_first_ack(broker, topic))
        broker.wait_ready()
        broker.stop()
    return started
