"""Odradek's own client, judged like the others. The only module of the referee that talks by `odradek`.

Callers are plain functions: each use runs Trio to its end, and a group's member lives in a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import trio

from odradek import BrokerError, Consumer, Producer, Record, TopicPartition
from odradek.consumer.config import AssignorName, ConsumerOptions
from referee.clients.interface import READ_TIMEOUT_SECONDS, Read, RefusedError, Sent

T = TypeVar("T")


class Own:
    name = "odradek"
    codecs: tuple[str, ...] = ("none", "gzip", "snappy", "lz4", "zstd")

    def __init__(self, assignors: Sequence[AssignorName] = ("cooperative-sticky",)) -> None:
        self.assignors = assignors

    def can_send(self, record: Sent) -> bool:
        return True

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Sent], *, codec: str = "none", partition: int = 0
    ) -> list[int]:
        settings = {"compression": codec, "idempotent": False, "linger_ms": 20, "max_request_size": 50_000_000}
        return trio.run(_produce, bootstrap, topic, records, partition, settings)

    def produce_idempotently(self, bootstrap: str, topic: str, records: Sequence[Sent]) -> list[int]:
        return trio.run(_produce, bootstrap, topic, records, 0, {"idempotent": True, "batch_size": 200})

    def read(self, bootstrap: str, topic: str, count: int, *, partition: int = 0) -> list[Read]:
        return trio.run(_take, bootstrap, TopicPartition(topic, partition), count)

    def join(self, bootstrap: str, group: str, topic: str) -> OwnMember:
        return OwnMember(bootstrap, group, topic, self.assignors)


class OwnMember:
    def __init__(self, bootstrap: str, group: str, topic: str, assignors: Sequence[AssignorName]) -> None:
        self._where = (bootstrap, group, topic)
        self._assignors = assignors
        self._entered = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._live,), daemon=True)
        self._thread.start()
        assert self._entered.wait(READ_TIMEOUT_SECONDS), "the consumer did not start"

    async def _live(self) -> None:
        bootstrap, group, topic = self._where
        settings: ConsumerOptions = {
            "commit": "manual",
            "start": "earliest",
            "assignors": self._assignors,
            "heartbeat_interval_ms": 200,
            "session_timeout_ms": 10_000,
        }
        self._left = trio.Event()
        async with Consumer(bootstrap, topics=[topic], group=group, **settings) as self._consumer:
            self._token = trio.lowlevel.current_trio_token()
            self._entered.set()
            await self._left.wait()

    def poll(self, timeout_seconds: float) -> list[Read]:
        return [_read(record) for record in self._run(lambda: self._consumer.poll(timeout_s=timeout_seconds))]

    def assignment(self) -> set[int]:
        return {each.partition for each in self._consumer.assignment}

    def commit(self) -> None:
        self._run(self._consumer.commit)

    def close(self) -> None:
        self._token.run_sync_soon(self._left.set)
        self._thread.join()

    def _run(self, call: Callable[[], Awaitable[T]]) -> T:
        return trio.from_thread.run(call, trio_token=self._token)


async def _produce(
    bootstrap: str, topic: str, records: Sequence[Sent], partition: int, settings: dict[str, Any]
) -> list[int]:
    try:
        with trio.fail_after(READ_TIMEOUT_SECONDS):
            async with Producer(bootstrap, acks="all", **settings) as producer:
                deliveries = [
                    await producer.send(
                        topic,
                        record.value,
                        key=record.key,
                        headers=record.headers,
                        partition=partition,
                        timestamp_ms=record.timestamp_ms,
                    )
                    for record in records
                ]
                return [(await delivery).offset for delivery in deliveries]
    except BrokerError as refused:
        raise RefusedError(refused.code, str(refused)) from refused


async def _take(bootstrap: str, partition: TopicPartition, count: int) -> list[Read]:
    taken: list[Read] = []
    async with Consumer(bootstrap, start="earliest") as consumer:
        await consumer.assign([partition])
        with trio.move_on_after(READ_TIMEOUT_SECONDS):
            while len(taken) < count:
                taken += [_read(record) for record in await consumer.poll(count - len(taken))]
    return taken


def _read(record: Record[bytes | None, bytes | None]) -> Read:
    return Read(record.partition, record.offset, record.timestamp, record.key, record.value, record.headers)


CLIENT = Own()
