"""Transactions by confluent-kafka, in a process of their own: one task in, one JSON line out.

    python -m benchmarks.client_transactions '{"task": "commits", "bootstrap": "127.0.0.1:9092", "topic": "t", ...}'

Rates count what was committed within `seconds`; what was done in the second before does not count.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, Message, Producer, TopicPartition

PATIENCE_S = 60.0
WARM_UP_S = 1.0
STEPS_THAT_WARM_UP = 20


def commits(task: dict[str, Any]) -> dict[str, float]:
    """transactions_per_s of one record each, by `producers` at a time, each one after the other."""
    counts: list[int] = []
    clock = Clock(task["seconds"])

    def run() -> None:
        producer = transactional_producer(task)
        counts.append(clock.count(lambda: transact(producer, task["topic"], [b"x" * 100])))

    threads = [threading.Thread(target=run) for _ in range(task["producers"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == task["producers"], "a producer has failed"
    return {"transactions_per_s": sum(counts) / task["seconds"]}


def bulk(task: dict[str, Any]) -> dict[str, float]:
    """records_per_s by one producer, `records` in a transaction."""
    producer = transactional_producer(task)
    values = [b"x" * task["value_bytes"]] * task["records"]
    count = Clock(task["seconds"]).count(lambda: transact(producer, task["topic"], values))
    return {"records_per_s": count * task["records"] / task["seconds"]}


def steps(task: dict[str, Any]) -> dict[str, float]:
    """p50_ms and p99_ms: from a record that is acknowledged until its copy, and how far that is, can be read.

    One at a time: the next record is written when the copy of the last one has been read.
    """
    source, target = task["topic"], task["target"]
    first, copier = Producer({"bootstrap.servers": task["bootstrap"], "linger.ms": 0}), transactional_producer(task)
    reader, judge = assigned(task["bootstrap"], source), assigned(task["bootstrap"], target)

    def step() -> float:
        first.produce(source, b"x" * 100, partition=0)
        assert first.flush(PATIENCE_S) == 0
        began = time.perf_counter()
        record = next_of(reader)
        copier.begin_transaction()
        copier.produce(target, record.value(), partition=0)
        after = TopicPartition(source, 0, (record.offset() or 0) + 1)
        copier.send_offsets_to_transaction([after], reader.consumer_group_metadata(), PATIENCE_S)
        copier.commit_transaction(PATIENCE_S)
        next_of(judge)
        return (time.perf_counter() - began) * 1000

    for _ in range(STEPS_THAT_WARM_UP):
        step()
    times = [step() for _ in range(task["steps"])]
    hundredths = statistics.quantiles(times, n=100)
    reader.close()
    judge.close()
    return {"p50_ms": statistics.median(times), "p99_ms": hundredths[98]}


class Clock:
    """When what is done begins to count, and when it is over."""

    def __init__(self, seconds: float) -> None:
        self._begins = time.monotonic() + WARM_UP_S
        self._ends = self._begins + seconds

    def count(self, do: Callable[[], None]) -> int:
        """How often it was done in the time that counts."""
        done = 0
        while (now := time.monotonic()) < self._ends:
            do()
            done += self._begins <= now and time.monotonic() <= self._ends
        return done


def transactional_producer(task: dict[str, Any]) -> Producer:
    settings = {"bootstrap.servers": task["bootstrap"], "transactional.id": uuid.uuid4().hex, "linger.ms": 0}
    producer = Producer(settings)
    producer.init_transactions(PATIENCE_S)
    return producer


def transact(producer: Producer, topic: str, values: list[bytes]) -> None:
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, partition=0)
    producer.commit_transaction(PATIENCE_S)


def assigned(bootstrap: str, topic: str) -> Consumer:
    """Of all that is committed of the topic, in a group without other members."""
    settings = {"bootstrap.servers": bootstrap, "group.id": topic, "enable.auto.commit": False}
    consumer = Consumer({**settings, "isolation.level": "read_committed", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    return consumer


def next_of(consumer: Consumer) -> Message:
    record = consumer.poll(PATIENCE_S)
    assert record is not None and record.error() is None, record and record.error()
    return record


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps({"commits": commits, "bulk": bulk, "steps": steps}[given["task"]](given)))
