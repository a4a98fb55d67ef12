"""A producer with a transactional id, of each library, behind the same few words."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka import TopicPartition as AioPartition
from aiokafka.errors import KafkaError as AioError
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka import TopicPartition as Place

import odradek
import odradek.sync
from odradek.group_position import GroupPosition

PATIENCE_S = 30
NO_GENERATION = -1


class Transacting(Protocol):
    """Made with a bootstrap address, a transactional id, and how long a transaction may take, in ms.

    Every call waits for its answer. Whoever has made one closes it.
    """

    refusal: type[Exception]
    """What the library raises where the broker, or it itself, refuses."""

    def begin(self) -> None: ...

    def send(self, topic: str, value: bytes) -> None:
        """To partition 0."""

    def send_offset(self, group: str, topic: str, offset: int) -> None:
        """Of partition 0, by a program that assigns partitions itself."""

    def commit(self) -> None: ...

    def abort(self) -> None: ...

    def close(self) -> None: ...


class OfConfluent:
    refusal: type[Exception] = KafkaException

    def __init__(self, bootstrap: str, transactional_id: str, timeout_ms: int) -> None:
        self._bootstrap = bootstrap
        settings = {"transactional.id": transactional_id, "transaction.timeout.ms": timeout_ms, "linger.ms": 0}
        self._producer = Producer({"bootstrap.servers": bootstrap, **settings})
        self._producer.init_transactions(PATIENCE_S)

    def begin(self) -> None:
        self._producer.begin_transaction()

    def send(self, topic: str, value: bytes) -> None:
        self._producer.produce(topic, value, partition=0)
        self._producer.flush(PATIENCE_S)

    def send_offset(self, group: str, topic: str, offset: int) -> None:
        consumer = Consumer({"bootstrap.servers": self._bootstrap, "group.id": group})
        position = [Place(topic, 0, offset)]
        self._producer.send_offsets_to_transaction(position, consumer.consumer_group_metadata(), PATIENCE_S)
        consumer.close()

    def commit(self) -> None:
        self._producer.commit_transaction(PATIENCE_S)

    def abort(self) -> None:
        self._producer.abort_transaction(PATIENCE_S)

    def close(self) -> None:
        pass  # it has no such word


class OfAio:
    """Its loop runs only while something is asked of it."""

    refusal: type[Exception] = AioError

    def __init__(self, bootstrap: str, transactional_id: str, timeout_ms: int) -> None:
        async def start() -> AIOKafkaProducer:
            producer = AIOKafkaProducer(
                bootstrap_servers=bootstrap, transactional_id=transactional_id, transaction_timeout_ms=timeout_ms
            )
            await producer.start()
            return producer

        self._runner = asyncio.Runner()
        self._producer = self._runner.run(start())

    def begin(self) -> None:
        self._runner.run(self._producer.begin_transaction())

    def send(self, topic: str, value: bytes) -> None:
        self._runner.run(self._producer.send_and_wait(topic, value, partition=0))

    def send_offset(self, group: str, topic: str, offset: int) -> None:
        self._runner.run(self._producer.send_offsets_to_transaction({AioPartition(topic, 0): offset}, group))

    def commit(self) -> None:
        self._runner.run(self._producer.commit_transaction())

    def abort(self) -> None:
        self._runner.run(self._producer.abort_transaction())

    def close(self) -> None:
        self._runner.run(self._producer.stop())
        self._runner.close()


class OfPython:
    def __init__(self, bootstrap: str, transactional_id: str, timeout_ms: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import kafka.errors

        self._kafka: Any = kafka
        self.refusal: type[Exception] = self._kafka.errors.KafkaError
        self._producer = self._kafka.KafkaProducer(
            bootstrap_servers=bootstrap, transactional_id=transactional_id, transaction_timeout_ms=timeout_ms
        )
        self._producer.init_transactions()

    def begin(self) -> None:
        self._producer.begin_transaction()

    def send(self, topic: str, value: bytes) -> None:
        self._producer.send(topic, value, partition=0).get(PATIENCE_S)

    def send_offset(self, group: str, topic: str, offset: int) -> None:
        place = self._kafka.TopicPartition(topic, 0)
        self._producer.send_offsets_to_transaction({place: self._kafka.OffsetAndMetadata(offset, "", -1)}, group)

    def commit(self) -> None:
        self._producer.commit_transaction()

    def abort(self) -> None:
        self._producer.abort_transaction()

    def close(self) -> None:
        self._producer.close(PATIENCE_S)


class GivesUp(Exception):
    """What ends a transaction of ours without a commit."""


class OfOurs:
    """Its transactions are blocks: here they end where the test says so."""

    refusal: type[Exception] = odradek.OdradekError

    def __init__(self, bootstrap: str, transactional_id: str, timeout_ms: int) -> None:
        self._stack = ExitStack()
        self._producer = self._stack.enter_context(
            odradek.sync.Producer(
                bootstrap, transactional_id=transactional_id, transaction_timeout_ms=timeout_ms, linger_ms=0
            )
        )

    def begin(self) -> None:
        self._scope = self._producer.transaction()
        self._transaction = self._scope.__enter__()

    def send(self, topic: str, value: bytes) -> None:
        self._producer.send_and_wait(topic, value, partition=0)

    def send_offset(self, group: str, topic: str, offset: int) -> None:
        self._transaction.commit_offsets(_Reader(group, {odradek.TopicPartition(topic, 0): offset}))  # type: ignore[arg-type]

    def commit(self) -> None:
        self._scope.__exit__(None, None, None)

    def abort(self) -> None:
        error = GivesUp()
        self._scope.__exit__(GivesUp, error, error.__traceback__)

    def close(self) -> None:
        self._stack.close()


class _Reader:
    """As much of a consumer as a transaction asks."""

    def __init__(self, group: str, offsets: dict[odradek.TopicPartition, int]) -> None:
        self._position = GroupPosition(group, NO_GENERATION, "", None, offsets)

    @property
    def inner(self) -> _Reader:
        return self

    def group_position(self) -> GroupPosition:
        return self._position


LIBRARIES: dict[str, Callable[[str, str, int], Transacting]] = {
    "confluent": OfConfluent,
    "aio": OfAio,
    "python": OfPython,
    "own": OfOurs,
}
