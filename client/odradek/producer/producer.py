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
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar, Unpack, overload

import trio
from msgspec import Struct

from odradek.activity import Activities, Waiting
from odradek.cluster.cluster import Cluster, ClusterConfig
from odradek.cluster.connections import ConnectionHealth
from odradek.errors import BufferFull, OdradekError, ProducerClosed, Undelivered, UnknownTopicOrPartition
from odradek.network import parse_bootstrap
from odradek.producer.accumulator import Headers, record_size
from odradek.producer.config import ProducerConfig, ProducerOptions
from odradek.producer.delivery import Delivered, Delivery
from odradek.producer.outcomes import too_large
from odradek.producer.partitioner import TopicQueues
from odradek.producer.sender import Sender
from odradek.producer.transaction_scope import Transaction, TransactionScope
from odradek.producer.wrong_record import explain
from odradek.scope import background_nursery
from odradek.topic import Topic

K = TypeVar("K")
V = TypeVar("V")

BYTES_BETWEEN_CHECKPOINTS = 256 * 1024
COST_OF_A_RECORD_IN_BYTES = 512
"""Sending runs through the scheduler at least as often as this says: for small records about every millisecond."""

HeadersArgument: TypeAlias = Mapping[str, bytes | None] | Sequence[tuple[str, bytes | None]]


class ProducerHealth(Struct, frozen=True):
    """What a producer is doing at this moment."""

    connections: list[ConnectionHealth]
    waiting: list[Waiting]
    """What is being waited for, oldest first."""
    buffered_bytes: int
    unsettled_batches: int
    requests_in_flight: int
    oldest_unsettled_s: float
    """Age of the oldest batch that is not acknowledged; 0 where there is none."""


class Producer:
    """Sends records. Use as `async with Producer("localhost:9092") as producer:`.

    Keyword arguments are those of ProducerOptions. Entering raises BootstrapFailed where no broker answers. Leaving
    normally delivers what is still buffered, and raises Undelivered for failures that nobody has seen. Leaving by an
    exception tries the same for close_timeout_ms; leaving by a cancellation delivers nothing more.
    """

    def __init__(self, bootstrap: str | Sequence[str], **options: Unpack[ProducerOptions]) -> None:
        self.config = config = ProducerConfig(**options)
        self._bootstrap = parse_bootstrap(bootstrap)
        self._activities = Activities()
        self._batch_size = config.batch_size
        self._buffer_memory = config.buffer_memory
        self._now_ms = config.surroundings.now_ms
        self._budget = BYTES_BETWEEN_CHECKPOINTS
        self._topics: dict[str, TopicQueues] = {}
        self._scope: AbstractAsyncContextManager[Self] | None = None
        self._is_open = False
        self._may_send = False
        self._transaction_count = 0

    async def __aenter__(self) -> Self:
        if self._scope is not None:
            raise RuntimeError("a producer is entered once")
        self._scope = self._run()
        return await self._scope.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._scope is not None
        return await self._scope.__aexit__(kind, error, traceback)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[Self]:
        config = self.config
        async with background_nursery() as nursery:
            cluster_config = ClusterConfig(
                bootstrap=self._bootstrap,
                client_id=config.client_id,
                request_timeout_ms=config.request_timeout_ms,
                connect_timeout_ms=config.connect_timeout_ms,
                metadata_max_age_ms=config.metadata_max_age_ms,
                retry_backoff_ms=config.retry_backoff_ms,
                security=config.security,
                auto_create_topics=True,
            )
            self._cluster = Cluster(cluster_config, config.surroundings, self._activities, nursery)
            await self._cluster.start()
            self._sender = Sender(self._cluster, config, nursery)
            self._accumulator = self._sender.accumulator
            if self._sender.transactions is not None:
                await self._sender.transactions.start(config.max_block_ms / 1000)
            self._sender.start()
            self._is_open = True
            self._may_send = self._sender.transactions is None
            try:
                yield self
            except trio.Cancelled:
                raise
            except BaseException as error:
                await self._flush_after(error)
                raise
            else:
                await self.flush()
            finally:
                self._is_open = self._may_send = False
                self._sender.abandon()

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
            if partition is not None and partition >= len(queues.queues):
                await self._wait_for_partition(queues, partition)
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
            queue = queues.choose(key, value, partition, size, self._batch_size)
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
                if partition is not None and partition >= len(queues.queues):
                    await self._wait_for_partition(queues, partition)
                queue = queues.choose(key, value, partition, size, batch_size)
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

    async def flush(self) -> None:
        """Wait until all that has been sent before is acknowledged or given up; nothing lingers meanwhile.

        Raises Undelivered where records failed whose Delivery nobody awaits.
        """
        await self._deliver_all()
        self._raise_failures()

    async def _deliver_all(self) -> None:
        accumulator = self._accumulator
        waited = [batch for queue in accumulator.queues for batch in queue.unsettled()]
        accumulator.flushing_count += 1
        try:
            self._sender.wake_all()
            for batch in waited:
                await batch.wait()
        finally:
            accumulator.flushing_count -= 1
        await trio.lowlevel.checkpoint_if_cancelled()

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

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has. Raises what `send` raises of an unknown topic."""
        image = await self._cluster.topic(topic, self.config.max_block_ms / 1000)
        return image.partition_count

    def health(self) -> ProducerHealth:
        """What is connected, what is waited for and for how long."""
        if not self._is_open:
            return ProducerHealth([], self._activities.now(), 0, 0, 0, 0.0)
        begun = [batch.created_at for queue in self._accumulator.queues for batch in queue.unsettled()]
        return ProducerHealth(
            connections=self._cluster.health(),
            waiting=self._activities.now(),
            buffered_bytes=self._accumulator.used_bytes,
            unsettled_batches=len(begun),
            requests_in_flight=self._sender.in_flight_count(),
            oldest_unsettled_s=trio.current_time() - min(begun) if begun else 0.0,
        )

    # -------------------------------------------------------------------------------------------------- inside

    async def _wait_until_ready(self, topic: str) -> TopicQueues:
        self._check_may_send()
        transaction = self._transaction_count
        deadline = trio.current_time() + self.config.max_block_ms / 1000
        if not isinstance(topic, str):
            raise TypeError
        if topic not in self._topics:
            await self._cluster.topic(topic, self.config.max_block_ms / 1000)
            self._topics[topic] = self._accumulator.open_topic(topic, self._cluster.image)
        if self._accumulator.used_bytes >= self._buffer_memory:
            await self._wait_for_room(deadline)
        self._check_still_may_send(transaction)
        return self._topics[topic]

    async def _wait_for_partition(self, queues: TopicQueues, partition: int) -> None:
        """It may have been added a moment ago. Where it does not come, choosing it says so."""
        transaction = self._transaction_count
        try:
            await self._cluster.topic(queues.topic, self.config.max_block_ms / 1000, partition + 1)
        except UnknownTopicOrPartition:
            return
        self._accumulator.follow(self._cluster.image)
        self._check_still_may_send(transaction)

    def _check_still_may_send(self, transaction: int) -> None:
        self._check_may_send()
        if self._transaction_count != transaction:
            raise RuntimeError("the transaction has ended while `send` was waiting")

    def _check_may_send(self) -> None:
        if not self._is_open:
            raise ProducerClosed("the producer is not open")
        if not self._may_send:
            raise RuntimeError("a transactional producer sends within `async with producer.transaction()`")

    async def _wait_for_room(self, deadline: float) -> None:
        with trio.move_on_at(deadline), self._activities.waiting("send", "buffer_memory is used up"):
            while self._accumulator.used_bytes >= self._buffer_memory:
                await self._sender.settled.wait()
            return
        raise BufferFull(f"buffer_memory of {self._buffer_memory} bytes stayed full for max_block_ms")

    def _raise_failures(self) -> None:
        failed, self._sender.failed = self._sender.failed, []
        unseen = [batch for batch in failed if batch.unwatched_count]
        causes = [batch.error for batch in unseen if batch.error is not None]
        if causes:
            raise Undelivered(sum(batch.unwatched_count for batch in unseen), causes) from causes[0]

    async def _flush_after(self, error: BaseException) -> None:
        """The block has raised: try to deliver for a while; a failure becomes a note on what it raised."""
        with trio.move_on_after(self.config.close_timeout_ms / 1000) as patience:
            try:
                await self.flush()
            except OdradekError as failure:
                error.add_note(f"and while closing the producer: {failure}")
        if patience.cancelled_caught:
            error.add_note("and while closing the producer: not all records were delivered in time")
