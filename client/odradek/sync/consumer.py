"""Consuming without async."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar, Unpack, overload

from odradek import consumer
from odradek.consumer.config import ConsumerOptions
from odradek.consumer.consumer import Names
from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Record
from odradek.sync.faces import Face, asks, waits
from odradek.sync.thread import THREAD
from odradek.topic import Topic

K = TypeVar("K")
V = TypeVar("V")


class Consumer(Face, Generic[K, V]):
    """Reads records. Use as `with Consumer("localhost:9092", "orders") as consumer:`; otherwise as `odradek.Consumer`.

    `on_assign` and `on_revoke` are async functions, awaited in the thread of Trio.
    """

    inner: consumer.Consumer[K, V]

    @overload
    def __init__(
        self: Consumer[bytes | None, bytes | None],
        bootstrap: str | Sequence[str],
        topics: Names = (),
        *,
        pattern: str | re.Pattern[str] | None = None,
        group: str | None = None,
        **options: Unpack[ConsumerOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: Consumer[K, V],
        bootstrap: str | Sequence[str],
        topics: Topic[K, V] | Sequence[Topic[K, V]],
        *,
        group: str | None = None,
        **options: Unpack[ConsumerOptions],
    ) -> None: ...

    def __init__(self, bootstrap: Any, topics: Any = (), **options: Any) -> None:
        super().__init__(consumer.Consumer(bootstrap, topics, **options))

    def __iter__(self) -> Iterator[Record[K, V]]:
        return self

    def __next__(self) -> Record[K, V]:
        """The next record; the one before is finished. Waits for as long as it takes."""
        return THREAD.run(self.inner.__anext__)

    def poll(self, max_records: int | None = None, timeout_s: float | None = None) -> list[Record[K, V]]:
        """What is there now, as `odradek.Consumer.poll`: all of it is finished when more is asked for."""
        return THREAD.run(self.inner.poll, max_records, timeout_s)

    @property
    def assignment(self) -> list[TopicPartition]:
        """The partitions that are ours at the moment."""
        return THREAD.run_sync(lambda: self.inner.assignment)

    @property
    def paused(self) -> list[TopicPartition]:
        """Of the partitions that are ours."""
        return THREAD.run_sync(lambda: self.inner.paused)

    subscribe = asks(consumer.Consumer.subscribe)
    assign = waits(consumer.Consumer.assign)
    wait_assigned = waits(consumer.Consumer.wait_assigned)
    pause = asks(consumer.Consumer.pause)
    resume = asks(consumer.Consumer.resume)
    position = asks(consumer.Consumer.position)
    seek = asks(consumer.Consumer.seek)
    seek_to_committed = asks(consumer.Consumer.seek_to_committed)
    seek_to_beginning = asks(consumer.Consumer.seek_to_beginning)
    seek_to_end = asks(consumer.Consumer.seek_to_end)
    seek_to_time = waits(consumer.Consumer.seek_to_time)
    offsets_for_time = waits(consumer.Consumer.offsets_for_time)
    end_offsets = waits(consumer.Consumer.end_offsets)
    beginning_offsets = waits(consumer.Consumer.beginning_offsets)
    count_lag = waits(consumer.Consumer.count_lag)
    lag = asks(consumer.Consumer.lag)
    commit = waits(consumer.Consumer.commit)
    committed = waits(consumer.Consumer.committed)
    health = asks(consumer.Consumer.health)
