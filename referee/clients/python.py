"""kafka-python: the client written in Python alone. It refuses to send a header without a value."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import BrokerResponseError

from referee.clients.interface import READ_TIMEOUT_SECONDS, Read, RefusedError, Sent


class KafkaPython:
    name = "kafka-python"
    codecs: tuple[str, ...] = ("none", "gzip", "snappy", "lz4", "zstd")

    def can_send(self, record: Sent) -> bool:
        return all(value is not None for _, value in record.headers)

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Sent], *, codec: str = "none", partition: int = 0
    ) -> list[int]:
        settings = {"compression_type": None if codec == "none" else codec, "linger_ms": 20, "batch_size": 200_000}
        return _produce(bootstrap, topic, records, partition, {"enable_idempotence": False, **settings})

    def produce_idempotently(self, bootstrap: str, topic: str, records: Sequence[Sent]) -> list[int]:
        return _produce(bootstrap, topic, records, 0, {"enable_idempotence": True, "batch_size": 200})

    def read(self, bootstrap: str, topic: str, count: int, *, partition: int = 0) -> list[Read]:
        consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
        try:
            consumer.assign([TopicPartition(topic, partition)])
            return _take(consumer, count)
        finally:
            consumer.close()

    def join(self, bootstrap: str, group: str, topic: str) -> KafkaPythonMember:
        return KafkaPythonMember(bootstrap, group, topic)


class KafkaPythonMember:
    def __init__(self, bootstrap: str, group: str, topic: str) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            heartbeat_interval_ms=200,
            session_timeout_ms=10_000,
        )
        # A leader that has not heard of the topic yet assigns nothing to anybody, and does not look again.
        self._consumer.partitions_for_topic(topic)
        self._consumer.subscribe([topic])

    def poll(self, timeout_seconds: float) -> list[Read]:
        return _flatten(self._consumer.poll(timeout_ms=int(timeout_seconds * 1000)))

    def assignment(self) -> set[int]:
        return {each.partition for each in self._consumer.assignment()}

    def commit(self) -> None:
        self._consumer.commit()

    def close(self) -> None:
        self._consumer.close(autocommit=False)


def _produce(
    bootstrap: str, topic: str, records: Sequence[Sent], partition: int, settings: dict[str, Any]
) -> list[int]:
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=50_000_000, **settings)
    try:
        futures = [
            producer.send(
                topic,
                key=record.key,
                value=record.value,
                headers=list(record.headers),
                partition=partition,
                timestamp_ms=record.timestamp_ms,
            )
            for record in records
        ]
        return [future.get(READ_TIMEOUT_SECONDS).offset for future in futures]
    except BrokerResponseError as refused:
        raise RefusedError(refused.errno, str(refused)) from refused
    finally:
        producer.close(timeout=5)


def _take(consumer: Any, count: int) -> list[Read]:
    taken: list[Read] = []
    deadline = time.monotonic() + READ_TIMEOUT_SECONDS
    while len(taken) < count and time.monotonic() < deadline:
        taken += _flatten(consumer.poll(timeout_ms=500, max_records=count - len(taken)))
    return taken


def _flatten(batches: dict[Any, list[Any]]) -> list[Read]:
    return [
        Read(each.partition, each.offset, each.timestamp, each.key, each.value, tuple(map(tuple, each.headers)))
        for batch in batches.values()
        for each in batch
    ]


CLIENT = KafkaPython()
