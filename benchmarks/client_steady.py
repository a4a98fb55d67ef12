"""confluent-kafka as a steady writer, in a process of its own: it writes until its input ends, then reads back.

    python -m benchmarks.client_steady '{"bootstrap": "127.0.0.1:9092", "topic": "t", "records_per_s": 5000}'

An idempotent producer with acks=all sends numbers to partition 0. For each poll that brought acknowledgements there is
a line of output: the time (time.monotonic, the same clock in all processes) and how many came. At the end the topic is
read, and the last line says in JSON how much was sent, acknowledged, refused, lost, and stored twice.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

PRODUCER_CONFIG = {"acks": "all", "enable.idempotence": True, "linger.ms": 1, "queue.buffering.max.messages": 1_000_000}
IMPATIENT = {
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 100,
    "retry.backoff.ms": 20,
    "retry.backoff.max.ms": 100,
    "log_level": 0,
}
PATIENCE_SECONDS = 60


def write(task: dict[str, Any], stopping: threading.Event) -> dict[str, int]:
    """Write until `stopping`; then wait for what is outstanding, and compare with what is stored."""
    producer = Producer({"bootstrap.servers": task["bootstrap"], **PRODUCER_CONFIG, **IMPATIENT})
    topic, pace = task["topic"], task["records_per_s"]
    acknowledged: list[bytes] = []
    refused: list[KafkaError] = []
    told, sent = 0, 0

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            refused.append(error)
        else:
            acknowledged.append(message.value() or b"")

    def poll() -> None:
        nonlocal told
        producer.poll(0.002)
        if len(acknowledged) > told:
            print(time.monotonic(), len(acknowledged) - told, flush=True)
            told = len(acknowledged)

    began = time.monotonic()
    while not stopping.is_set():
        due = int((time.monotonic() - began) * pace)
        for number in range(sent, due):
            producer.produce(topic, b"%d" % number, partition=0, on_delivery=delivered)
        sent = max(sent, due)
        poll()
    give_up = time.monotonic() + PATIENCE_SECONDS
    while len(producer) and time.monotonic() < give_up:
        poll()

    stored = Counter(read_everything(task["bootstrap"], topic))
    return {
        "sent": sent,
        "acknowledged": len(acknowledged),
        "refused": len(refused),
        "lost": sum(value not in stored for value in acknowledged),
        "twice": sum(count > 1 for count in stored.values()),
    }


def read_everything(bootstrap: str, topic: str) -> list[bytes]:
    """The values of partition 0. Raises TimeoutError."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", **IMPATIENT})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=PATIENCE_SECONDS)
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[bytes] = []
    position, give_up = 0, time.monotonic() + PATIENCE_SECONDS
    while position < end:
        if time.monotonic() > give_up:
            raise TimeoutError(f"{position} of {end} records could be read")
        for message in consumer.consume(10_000, 0.5):
            if message.error() is None:
                values.append(message.value() or b"")
                position = (message.offset() or 0) + 1
    consumer.close()
    return values


def main() -> None:
    stopping = threading.Event()

    def wait_for_end_of_input() -> None:
        sys.stdin.read()
        stopping.set()

    threading.Thread(target=wait_for_end_of_input, daemon=True).start()
    print(json.dumps(write(json.loads(sys.argv[1]), stopping)))


if __name__ == "__main__":
    main()
