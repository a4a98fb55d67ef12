"""aiokafka: the asyncio client. Each use runs an event loop of its own, so callers stay plain functions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import BrokerResponseError

from referee.clients.interface import READ_TIMEOUT_SECONDS, Read, RefusedError, Sent


class AioKafka:
    name = "aiokafka"
    codecs: tuple[str, ...] = ("none", "gzip", "snappy", "lz4", "zstd")

    def can_send(self, record: Sent) -> bool:
        return True

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Sent], *, codec: str = "none", partition: int = 0
    ) -> list[int]:
        settings = {"compression_type": None if codec == "none" else codec, "max_batch_size": 200_000, "linger_ms": 20}
        return asyncio.run(_produce(bootstrap, topic, records, partition, settings))

    def produce_idempotently(self, bootstrap: str, topic: str, records: Sequence[Sent]) -> list[int]:
        settings = {"enable_idempotence": True, "max_batch_size": 200}
        return asyncio.run(_produce(bootstrap, topic, records, 0, settings))

    def read(self, bootstrap: str, topic: str, count: int, *, partition: int = 0) -> list[Read]:
        return asyncio.run(_take(bootstrap, TopicPartition(topic, partition), count))

    def join(self, bootstrap: str, group: str, topic: str) -> AioKafkaMember:
        return AioKafkaMember(bootstrap, group, topic)


class AioKafkaMember:
    def __init__(self, bootstrap: str, group: str, topic: str) -> None:
        self._loop = asyncio.Runner()
        self._consumer: Any = None
        self._loop.run(self._start(bootstrap, group, topic))

    async def _start(self, bootstrap: str, group: str, topic: str) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            heartbeat_interval_ms=200,
            session_timeout_ms=10_000,
        )
        self._consumer.subscribe([topic])
        starting = asyncio.create_task(self._consumer.start())
        # start() waits for the group, and the group may wait for members that are polled later: do not wait for it.
        await asyncio.wait([starting], timeout=0.5)
        self._starting = starting

    def poll(self, timeout_seconds: float) -> list[Read]:
        return self._loop.run(self._poll(timeout_seconds))

    async def _poll(self, timeout_seconds: float) -> list[Read]:
        if not self._starting.done():
            await asyncio.wait([self._starting], timeout=timeout_seconds)
            return []
        self._starting.result()
        return _flatten(await self._consumer.getmany(timeout_ms=int(timeout_seconds * 1000)))

    def assignment(self) -> set[int]:
        return {each.partition for each in self._consumer.assignment()}

    def commit(self) -> None:
        self._loop.run(self._consumer.commit())

    def close(self) -> None:
        self._loop.run(self._consumer.stop())
        self._loop.close()


async def _produce(
    bootstrap: str, topic: str, records: Sequence[Sent], partition: int, settings: dict[str, Any]
) -> list[int]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=50_000_000, **settings)
    await producer.start()
    try:
        futures = [
            await producer.send(
                topic,
                key=record.key,
                value=record.value,
                headers=list(record.headers),
                partition=partition,
                timestamp_ms=record.timestamp_ms,
            )
            for record in records
        ]
        async with asyncio.timeout(READ_TIMEOUT_SECONDS):
            return [(await future).offset for future in futures]
    except BrokerResponseError as refused:
        raise RefusedError(refused.errno, str(refused)) from refused
    finally:
        await producer.stop()


async def _take(bootstrap: str, partition: Any, count: int) -> list[Read]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    consumer.assign([partition])
    await consumer.start()
    taken: list[Read] = []
    try:
        async with asyncio.timeout(READ_TIMEOUT_SECONDS):
            while len(taken) < count:
                taken += _flatten(await consumer.getmany(timeout_ms=500, max_records=count - len(taken)))
    except TimeoutError:
        pass
    finally:
        await consumer.stop()
    return taken


def _flatten(batches: dict[Any, list[Any]]) -> list[Read]:
    return [
        Read(each.partition, each.offset, each.timestamp, each.key, each.value, tuple(each.headers))
        for batch in batches.values()
        for each in batch
    ]


CLIENT = AioKafka()
