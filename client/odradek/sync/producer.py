"""Producing without async."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Unpack

from odradek import producer
from odradek.producer.config import ProducerOptions
from odradek.producer.delivery import Delivered
from odradek.producer.delivery import Delivery as AsyncDelivery
from odradek.producer.producer import HeadersArgument
from odradek.producer.transaction_scope import Outcome
from odradek.producer.transaction_scope import Transaction as AsyncTransaction
from odradek.sync.consumer import Consumer
from odradek.sync.faces import Face, asks, waits
from odradek.sync.thread import THREAD
from odradek.topic import Topic


class Delivery:
    """What will become of one record. It may be dropped, as `odradek.Delivery` may."""

    def __init__(self, inner: AsyncDelivery) -> None:
        self._inner = inner

    @property
    def is_done(self) -> bool:
        return self._inner.is_done

    @property
    def partition(self) -> int:
        return self._inner.partition

    def result(self) -> Delivered:
        """Where the record is, once it is acknowledged. Raises why it is not."""
        return THREAD.run(_await, self._inner)


class Transaction:
    """An open transaction, given out by `producer.transaction()`."""

    def __init__(self, inner: AsyncTransaction) -> None:
        self._inner = inner

    def commit_offsets(self, consumer: Consumer[Any, Any]) -> None:
        """As `odradek.Transaction.commit_offsets`."""
        THREAD.run(self._inner.commit_offsets, consumer.inner)

    @property
    def outcome(self) -> Outcome:
        return self._inner.outcome


class Producer(Face):
    """Sends records. Use as `with Producer("localhost:9092") as producer:`; otherwise as `odradek.Producer`."""

    inner: producer.Producer

    def __init__(self, bootstrap: str | Sequence[str], **options: Unpack[ProducerOptions]) -> None:
        super().__init__(producer.Producer(bootstrap, **options))

    def send(
        self,
        topic: str | Topic[Any, Any],
        value: Any = None,
        *,
        key: Any = None,
        headers: HeadersArgument = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Delivery:
        """Take a record; arguments and errors are those of `odradek.Producer.send`."""
        rest = {"key": key, "headers": headers, "partition": partition, "timestamp_ms": timestamp_ms}
        return Delivery(THREAD.run(_send, self.inner, topic, value, rest))

    def send_and_wait(
        self,
        topic: str | Topic[Any, Any],
        value: Any = None,
        *,
        key: Any = None,
        headers: HeadersArgument = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Delivered:
        """Send, and wait until it is acknowledged."""
        delivery = self.send(topic, value, key=key, headers=headers, partition=partition, timestamp_ms=timestamp_ms)
        return delivery.result()

    send_many = waits(producer.Producer.send_many)
    flush = waits(producer.Producer.flush)
    settle = waits(producer.Producer.settle)
    partitions = waits(producer.Producer.partitions)
    health = asks(producer.Producer.health)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """`with producer.transaction() as transaction:`, as `odradek.Producer.transaction`."""
        with THREAD.scope(self.inner.transaction()) as inner:
            yield Transaction(inner)


async def _send(inner: producer.Producer, topic: Any, value: Any, rest: Mapping[str, Any]) -> AsyncDelivery:
    return await inner.send(topic, value, **rest)


async def _await(delivery: AsyncDelivery) -> Delivered:
    return await delivery
