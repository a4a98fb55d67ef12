"""confluent-kafka: librdkafka, the C client below most languages' Kafka libraries."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from referee.clients.interface import READ_TIMEOUT_SECONDS, Read, RefusedError, Sent


class Confluent:
    name = "confluent-kafka"
    codecs: tuple[str, ...] = ("none", "gzip", "snappy", "lz4", "zstd")

    def can_send(self, record: Sent) -> bool:
        return True

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Sent], *, codec: str = "none", partition: int = 0
    ) -> list[int]:
        return _produce(bootstrap, topic, records, partition, {"compression.type": codec, "linger.ms": 20})

    def produce_idempotently(self, bootstrap: str, topic: str, records: Sequence[Sent]) -> list[int]:
        many_small_batches = {"enable.idempotence": True, "batch.num.messages": 7, "linger.ms": 0}
        return _produce(bootstrap, topic, records, 0, many_small_batches)

    def read(self, bootstrap: str, topic: str, count: int, *, partition: int = 0) -> list[Read]:
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False})
        try:
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
            return _take(consumer, count)
        finally:
            consumer.close()

    def join(self, bootstrap: str, group: str, topic: str) -> ConfluentMember:
        return ConfluentMember(bootstrap, group, topic)


class ConfluentMember:
    def __init__(self, bootstrap: str, group: str, topic: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "heartbeat.interval.ms": 200,
                "session.timeout.ms": 10_000,
            }
        )
        self._consumer.subscribe([topic])

    def poll(self, timeout_seconds: float) -> list[Read]:
        return [_read(message) for message in self._consumer.consume(500, timeout_seconds)]

    def assignment(self) -> set[int]:
        return {each.partition for each in self._consumer.assignment()}

    def commit(self) -> None:
        self._consumer.commit(asynchronous=False)

    def close(self) -> None:
        self._consumer.close()


def _produce(
    bootstrap: str, topic: str, records: Sequence[Sent], partition: int, settings: dict[str, Any]
) -> list[int]:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "delivery.timeout.ms": 20_000, **settings})
    offsets = [-1] * len(records)
    refusals: list[KafkaError] = []

    def deliver(index: int, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            refusals.append(error)
        offset = message.offset()
        offsets[index] = -1 if offset is None else offset

    for index, record in enumerate(records):
        producer.produce(
            topic,
            key=record.key,
            value=record.value,
            partition=partition,
            headers=list(record.headers),
            timestamp=record.timestamp_ms or 0,
            on_delivery=functools.partial(deliver, index),
        )
    unsent = producer.flush(READ_TIMEOUT_SECONDS)
    if refusals:
        raise RefusedError(refusals[0].code(), refusals[0].str())
    assert unsent == 0, f"{unsent} of {len(records)} records were never acknowledged"
    return offsets


def _take(consumer: Consumer, count: int) -> list[Read]:
    taken: list[Read] = []
    deadline = time.monotonic() + READ_TIMEOUT_SECONDS
    while len(taken) < count and time.monotonic() < deadline:
        taken += [_read(message) for message in consumer.consume(count - len(taken), 0.5)]
    return taken


def _read(message: Message) -> Read:
    error = message.error()
    if error is not None:
        raise KafkaException(error)
    partition, offset = message.partition(), message.offset()
    assert partition is not None and offset is not None
    headers: Any = message.headers() or ()
    return Read(partition, offset, message.timestamp()[1], message.key(), message.value(), tuple(headers))


CLIENT = Confluent()
