"""From spawn to the first acknowledged record, and the memory that each broker holds: idle, and after a load.

    python -m benchmarks.run startup

The data directory exists already, with one topic in it, after a clean stop; formatting is not counted. The client is
ready and waiting before the broker is spawned. Memory is the resident set of the process and its children.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
from confluent_kafka import KafkaError, Message, Producer

from benchmarks.client_processes import fresh_topic, make_topic, run_client
from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE, Contender
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale
from referee import BrokerProcess

TOPIC = "first-contact"
SETTLE_SECONDS = 3
FIRST_ACK_TIMEOUT_SECONDS = 60
LOAD_VALUE_BYTES = 1_000
LOAD_RECORDS = 100_000
GROWTH_MIB = 4.0
MIB = 1024 * 1024


def measure(contenders: list[Contender], scale: Scale) -> Iterator[Measurement]:
    """Starts and stops the brokers itself; they must not be running."""
    ours = {PAGE_CACHE: 1 / 3, FSYNC: 1 / 3}
    spawn = Measurement("spawn to first ack", "s", False, KAFKA, ours)
    small = {PAGE_CACHE: 0.2, FSYNC: 0.2}
    idle = Measurement("memory, idle", "MiB", False, KAFKA, small, goal_values={PAGE_CACHE: 70, FSYNC: 70})
    for contender in contenders:
        with contender.broker:
            make_topic(contender.broker.bootstrap, TOPIC)
    for _ in range(scale.rounds):
        for contender in contenders:
            spawn.add(contender.name, seconds_to_first_ack(contender.broker, TOPIC))
            contender.broker.wait_ready()
            time.sleep(SETTLE_SECONDS)
            idle.add(contender.name, memory_mib(contender.broker.pid))
            contender.broker.stop()
    yield spawn
    yield idle
    yield from _memory_under_load(contenders, scale)


def seconds_to_first_ack(broker: BrokerProcess, topic: str) -> float:
    """Spawn the broker and wait until a record is acknowledged. Leaves it running."""
    eager = {"reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 20, "retry.backoff.ms": 10, "log_level": 0}
    producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all", "linger.ms": 0, **eager})
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    producer.produce(topic, b"first", partition=0, on_delivery=delivered)
    began = time.perf_counter()
    broker.spawn()
    unsent = producer.flush(FIRST_ACK_TIMEOUT_SECONDS)
    seconds = time.perf_counter() - began
    assert unsent == 0 and not failed, "".join(broker.lines)
    return seconds


def memory_mib(pid: int) -> float:
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return float(sum(each.memory_info().rss for each in family)) / MIB


def _memory_under_load(contenders: list[Contender], scale: Scale) -> Iterator[Measurement]:
    """Write and read for `load_seconds`; the first and the second half of it should end at the same memory."""
    after = Measurement("memory, after load", "MiB", False, KAFKA)
    grown = f"memory growth, 2nd half of {scale.load_seconds} s load"
    bounds = {PAGE_CACHE: GROWTH_MIB, FSYNC: GROWTH_MIB}
    growth = Measurement(grown, "MiB", False, KAFKA, goal_values=bounds, in_picture=False)
    for contender in contenders:
        with contender.broker as broker:
            _load(broker, scale.load_seconds / 2, scale)
            halfway = memory_mib(broker.pid)
            _load(broker, scale.load_seconds / 2, scale)
            after.add(contender.name, memory_mib(broker.pid))
            growth.add(contender.name, memory_mib(broker.pid) - halfway)
    yield after
    yield growth


def _load(broker: BrokerProcess, seconds: float, scale: Scale) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with fresh_topic(broker, 6) as topic:
            what = {"bootstrap": broker.bootstrap, "topic": topic, "partitions": 6, "value_bytes": LOAD_VALUE_BYTES}
            run_client("confluent", "produce", records=LOAD_RECORDS, **what)
            run_client("confluent", "consume", records=LOAD_RECORDS, **what)
