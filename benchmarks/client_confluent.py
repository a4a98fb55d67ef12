"""confluent-kafka as the measuring client, in a process of its own: one task in, one JSON line out.

    python -m benchmarks.client_confluent '{"task": "produce", "bootstrap": "127.0.0.1:9092", "topic": "t", ...}'

The broker is to be the bottleneck, not this process: values are made beforehand, records are handed over a thousand at
a time without callbacks, and the count is checked by the end offsets, which only acknowledged records can move.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

CHUNK_RECORDS = 1000
ACK_TIMEOUT_SECONDS = 120

PRODUCER_CONFIG = {
    "acks": "all",
    "batch.size": 1_000_000,
    "linger.ms": 5,
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 1_000_000,
}
CONSUMER_CONFIG = {
    "group.id": "none",
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "queued.min.messages": 1_000_000,
    "queued.max.messages.kbytes": 1_000_000,
}


def produce(task: dict[str, Any]) -> dict[str, float]:
    """records_per_s of `records` values of `value_bytes` over `partitions`; `config` goes on top of PRODUCER_CONFIG.

    `security`: how to connect, as far as that is not plain.
    """
    where, topic, records = _where(task), task["topic"], task["records"]
    partitions = task.get("partitions", 1)
    chunks = _chunks(task["value_bytes"], task.get("values", "constant"))
    producer = Producer({**where, **PRODUCER_CONFIG, **task.get("config", {})})
    producer.list_topics(topic, timeout=30)
    before = _end_offsets(where, topic, partitions)

    began = time.perf_counter()
    sent = 0
    while sent < records:
        partition = (sent // CHUNK_RECORDS) % partitions
        chunk = chunks[(sent // CHUNK_RECORDS) % len(chunks)]
        _hand_over(producer, topic, partition, chunk[: records - sent] if records - sent < CHUNK_RECORDS else chunk)
        sent += CHUNK_RECORDS
    unsent = producer.flush(ACK_TIMEOUT_SECONDS)
    seconds = time.perf_counter() - began

    stored = _end_offsets(where, topic, partitions) - before
    assert unsent == 0 and stored == records, f"{records} sent, {stored} stored, {unsent} without an answer"
    return {"records_per_s": records / seconds}


def consume(task: dict[str, Any]) -> dict[str, float]:
    """records_per_s of `records` read from the beginning; the clock starts at the first record."""
    topic, records, partitions = task["topic"], task["records"], task.get("partitions", 1)
    consumer = Consumer({**_where(task), **CONSUMER_CONFIG})
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
    first = consumer.consume(1, ACK_TIMEOUT_SECONDS)
    began = time.perf_counter()
    read = len(first)
    while read < records:
        messages = consumer.consume(min(10_000, records - read), ACK_TIMEOUT_SECONDS)
        assert messages, f"{read} of {records} records came"
        assert len(messages[-1].value() or b"") == task["value_bytes"]
        read += len(messages)
    seconds = time.perf_counter() - began
    consumer.close()
    return {"records_per_s": (read - 1) / seconds}


def latency(task: dict[str, Any]) -> dict[str, float]:
    """Percentiles in ms of `records` round trips, one record in flight; `acks` is all unless given."""
    producer = Producer({"bootstrap.servers": task["bootstrap"], "acks": task.get("acks", "all"), "linger.ms": 0})
    topic, value = task["topic"], bytes(task["value_bytes"])
    failed: list[KafkaError] = []
    producer.list_topics(topic, timeout=30)

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    def round_trip() -> float:
        began = time.perf_counter()
        producer.produce(topic, value, partition=0, on_delivery=delivered)
        while len(producer):
            producer.poll(1)
        return (time.perf_counter() - began) * 1000

    for _ in range(task["records"] // 10):
        round_trip()
    times = sorted(round_trip() for _ in range(task["records"]))
    assert not failed, failed[0]
    hundredths = statistics.quantiles(times, n=100)
    return {"p50_ms": statistics.median(times), "p99_ms": hundredths[98]}


def _chunks(value_bytes: int, kind: str) -> list[list[dict[str, bytes]]]:
    """Chunks to be handed over again and again: `constant` values, or `json` ones that compress like real ones."""
    if kind == "constant":
        return [[{"value": b"x" * value_bytes}] * CHUNK_RECORDS]
    chance = random.Random(1)
    return [[{"value": _json_value(chance, value_bytes)} for _ in range(CHUNK_RECORDS)] for _ in range(10)]


def _json_value(chance: random.Random, value_bytes: int) -> bytes:
    """A line of JSON of exactly `value_bytes`: names and words that repeat, a few numbers that do not."""
    fields = [f'"device": {chance.randrange(10**9)}']
    size = len(fields[0])
    while size < value_bytes:
        word = chance.choice(("nominal", "degraded", "offline", "maintenance"))
        fields.append(f'"sensor_{len(fields):02}_status": "{word}"')
        size += len(fields[-1]) + 2
    return ("{" + ", ".join(fields) + "}")[:value_bytes].ljust(value_bytes).encode()


def _hand_over(producer: Producer, topic: str, partition: int, chunk: list[dict[str, bytes]]) -> None:
    while chunk:
        taken = producer.produce_batch(topic, chunk, partition=partition)
        producer.poll(0)
        if taken == len(chunk):
            return
        chunk = [{"value": each["value"]} for each in chunk[taken:]]  # those refused are marked by the client
        producer.poll(0.005)


def _where(task: dict[str, Any]) -> dict[str, str]:
    return {"bootstrap.servers": task["bootstrap"], **task.get("security", {})}


def _end_offsets(where: dict[str, str], topic: str, partitions: int) -> int:
    consumer = Consumer({**where, "group.id": "none"})
    try:
        asked = [TopicPartition(topic, partition) for partition in range(partitions)]
        return sum(_end_offset(consumer, each) for each in asked)
    finally:
        consumer.close()


def _end_offset(consumer: Consumer, partition: TopicPartition) -> int:
    """Apache Kafka denies for a moment that it leads a partition that it has just made."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return consumer.get_watermark_offsets(partition, timeout=30)[1]
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps({"produce": produce, "consume": consume, "latency": latency}[given["task"]](given)))
