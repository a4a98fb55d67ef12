"""The producer: what a program calls.

The life of a send: metadata, serialize, partition, accumulate (all here, without waiting as long as the topic is known
and there is room), then build, compress, send, retry (sender.py and what it uses).

Invariants
    Nothing outlives the scope. Where it ends normally, all is delivered or an error is raised.
    A send that is cancelled has not taken the record; one that has returned a Delivery has.
    No failure is silent: each is raised by `await delivery`, by `flush`, or at the end of the scope.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar, overload

import trio

from odradek.producer.accumulator import Headers, record_size
from odradek.producer.base import BYTES_BETWEEN_CHECKPOINTS, ProducerBase
from odradek.producer.delivery import Delivered, Delivery
from odradek.producer.outcomes import too_large
from odradek.producer.transaction_scope import Transaction, TransactionScope
from odradek.producer.wrong_record import explain
from odradek.topic import Topic

K = TypeVar("K")
V = TypeVar("V")

COST_OF_A_RECORD_IN_BYTES = 512
"""Sending runs through the scheduler at least as often as this says: for small records about every millisecond."""

HeadersArgument: TypeAlias = Mapping[str, bytes | None] | Sequence[tuple[str, bytes | None]]


class Producer(ProducerBase):
    """Sends records. Use as `async with Producer("localhost:9092") as producer:`.

    Keyword arguments are those of ProducerOptions. Entering raises BootstrapFailed where no broker answers. Leaving
    normally delivers what is still buffered, and raises Undelivered for failures that nobody has seen. Leaving by an
    exception tries the same for close_timeout_ms; leaving by a cancellation delivers nothing more.
    """

    # ------------------------------------------------------------------------------------------------- sending

    @overload
    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        *,
        key: bytes | None = None,
        headers: HeadersArgument = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Delivery: ...

    @overload
    async def send(
        self,
        topic: Topic[bytes | None, V],
        value: V,
        *,
        key: bytes | None = None,
        headers: HeadersArgument = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Delivery: ...

    @overload
    async def send(
        self,
        topic: Topic[K, V],
        value: V,
        *,
        key: K,
        headers: HeadersArgument = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Delivery: ...

    async def send(
        self,
        topic: str | Topic[Any, Any],
        value: Any = None,
        *,
        key: Any = None,
        headers: HeadersArgument = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Delivery:
        """Take a record; return at once, unless the topic is new here or buffer_memory is used up.

        `headers` are pairs of name and bytes, or a mapping. `timestamp_ms` is now where it is left out.

        Raises BufferFull after max_block_ms, RecordTooLarge, SerializationFailed, UnknownTopicOrPartition, ValueError
        for a partition that does not exist and has not come to exist by then, TypeError for what is not bytes, and
        ProducerClosed.
        """
        if self._budget <= 0:
            # A batch has been filled, or much was sent: let the sender, and all others, have a turn. Before the record
            # is taken, so that a cancellation here means that it was not.
            self._budget = BYTES_BETWEEN_CHECKPOINTS
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()
        if isinstance(topic, Topic):
            key, value, topic = topic.encode_key(key), topic.encode_value(value), topic.name
        try:
            queues = self._topics.get(topic)
            accumulator = self._accumulator
            if queues is None or accumulator.used_bytes >= self._buffer_memory or not self._may_send:
                queues = await self._wait_until_ready(topic)
            pairs: Headers = ()
            if headers:
                pairs = tuple(headers.items() if isinstance(headers, Mapping) else headers)
                size = record_size(key, value, pairs)
            else:
                size = 16 + (len(value) if value is not None else 0) + (len(key) if key is not None else 0)
            if size > self._batch_size and size > self.config.max_request_size:
                raise too_large(size, self.config.max_request_size)
            if timestamp_ms is None:
                timestamp_ms = self._now_ms()
            if partition is None:
                queue = queues.choose(key, value, size, self._batch_size)
            elif 0 <= partition < len(queues.queues):
                queue = queues.queues[partition]
            else:
                queue = await self._queue_of(queues, partition)
            batch = queue.open
            if batch is None or batch.size_bytes + size > self._batch_size:
                batch = accumulator.begin_batch(queue, key, value, pairs, timestamp_ms)
                index = self._budget = 0
            else:
                index = batch.append(key, value, pairs, timestamp_ms)
                self._budget -= size + COST_OF_A_RECORD_IN_BYTES
            batch.size_bytes += size
            accumulator.used_bytes += size
        except (TypeError, ValueError) as error:
            raise explain(topic, key, value, headers, partition) or error from None
        return Delivery(batch, index, timestamp_ms)

    @overload
    async def send_and_wait(
        self,
        topic: str,
        value: bytes | None = None,
        *,
        key: bytes | None = None,
        headers: HeadersArgument = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Delivered: ...

    @overload
    async def send_and_wait(
        self,
        topic: Topic[bytes | None, V],
        value: V,
        *,
        key: bytes | None = None,
        headers: HeadersArgument = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Delivered: ...

    @overload
    async def send_and_wait(
        self,
        topic: Topic[K, V],
        value: V,
        *,
        key: K,
        headers: HeadersArgument = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Delivered: ...

    async def send_and_wait(self, topic: Any, value: Any = None, **arguments: Any) -> Delivered:
        """Send, and wait until it is acknowledged. Does not linger. Raises what `send` and the delivery raise."""
        return await (await self.send(topic, value, **arguments))

    async def send_many(
        self,
        topic: str,
        values: Iterable[bytes | None],
        *,
        key: bytes | None = None,
        headers: HeadersArgument = (),
        partition: int | None = None,
    ) -> None:
        """Take records that differ in nothing but their values: as `send` for each of them, at half the cost.

        What becomes of them is told by `flush`, or at the end of the scope. A cancellation, and an error, leave those
        taken that came before. Raises what `send` raises.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            pairs: Headers = tuple(headers.items() if isinstance(headers, Mapping) else headers)
            wrong = explain(topic, key, None, pairs, partition)
            if wrong is not None:
                raise wrong
            overhead = record_size(key, None, pairs)
            queues, timestamp_ms = await self._wait_until_ready(topic), self._now_ms()
        except (TypeError, ValueError) as error:
            raise explain(topic, key, None, headers, partition) or error from None
        accumulator, batch_size = self._accumulator, self._batch_size
        for value in values:
            if self._budget <= 0 or accumulator.used_bytes >= self._buffer_memory or not self._may_send:
                self._budget = BYTES_BETWEEN_CHECKPOINTS
                await trio.lowlevel.checkpoint()
                queues, timestamp_ms = await self._wait_until_ready(topic), self._now_ms()
            try:
                size = overhead if value is None else overhead + len(value)
                if size > batch_size and size > self.config.max_request_size:
                    raise too_large(size, self.config.max_request_size)
                if partition is None:
                    queue = queues.choose(key, value, size, batch_size)
                elif 0 <= partition < len(queues.queues):
                    queue = queues.queues[partition]
                else:
                    queue = await self._queue_of(queues, partition)
                batch = queue.open
                if batch is None or batch.size_bytes + size > batch_size:
                    batch = accumulator.begin_batch(queue, key, value, pairs, timestamp_ms)
                    self._budget = 0
                else:
                    batch.append(key, value, pairs, timestamp_ms)
                    self._budget -= size + COST_OF_A_RECORD_IN_BYTES
            except (TypeError, ValueError) as error:
                raise explain(topic, key, value, headers, partition) or error from None
            batch.size_bytes += size
            accumulator.used_bytes += size

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Send within a transaction: `async with producer.transaction() as transaction:`.

        A block that ends normally commits: all that was sent in it, and offsets given to `transaction.commit_offsets`,
        become visible together. A block left by an exception or a cancellation aborts. Where a record could not be
        written, the transaction is aborted and the reason raised.

        Raises ProducerFenced, TransactionAborted where somebody else has ended the transaction and the producer can go
        on, TransactionOutcomeUnknown, and RuntimeError without a transactional_id or within another transaction.
        """
        scope = self._transaction_scope()
        transaction = await scope.begin()
        self._transaction_count += 1
        self._may_send = True
        try:
            yield transaction
            self._may_send = False
            await self._deliver_all()
            scope.check_committable()
        except BaseException as error:
            self._may_send = False
            await scope.abort(transaction, error)
            raise
        await scope.commit(transaction)

    async def settle(self) -> None:
        """Let the last transaction be over, where its end was sent and not waited for; the next one does so, too.

        Afterwards all of it is visible, or nothing ever will be. Raises ProducerFenced.
        """
        await self._transaction_scope().settle()

    def _transaction_scope(self) -> TransactionScope:
        if self._sender.transactions is None:
            raise RuntimeError("the producer has no transactional_id")
        return TransactionScope(self._sender, self._sender.transactions, self.config.close_timeout_ms / 1000)
