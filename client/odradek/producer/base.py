"""What a producer is made of, and its life: how it ends, and what a send waits for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Unpack

import trio
from msgspec import Struct

from odradek.activity import Waiting
from odradek.cluster.client import Client
from odradek.cluster.connections import ConnectionHealth
from odradek.errors import BufferFull, OdradekError, ProducerClosed, Undelivered, UnknownTopicOrPartition
from odradek.producer.config import ProducerConfig, ProducerOptions
from odradek.producer.partitioner import TopicQueues
from odradek.producer.queue import PartitionQueue
from odradek.producer.sender import Sender

BYTES_BETWEEN_CHECKPOINTS = 256 * 1024


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


class ProducerBase(Client[ProducerConfig]):
    """The scope. Entering raises BootstrapFailed where no broker answers."""

    _KIND = "a producer"
    _CREATES_TOPICS = True

    def __init__(self, bootstrap: str | Sequence[str], **options: Unpack[ProducerOptions]) -> None:
        config = ProducerConfig(**options)
        super().__init__(bootstrap, config)
        self._batch_size = config.batch_size
        self._buffer_memory = config.buffer_memory
        self._now_ms = config.surroundings.now_ms
        self._budget = BYTES_BETWEEN_CHECKPOINTS
        self._topics: dict[str, TopicQueues] = {}
        self._may_send = False
        self._transaction_count = 0

    @asynccontextmanager
    async def _serve(self, nursery: trio.Nursery) -> AsyncIterator[None]:
        self._sender = Sender(self._cluster, self.config, nursery)
        self._accumulator = self._sender.accumulator
        if self._sender.transactions is not None:
            await self._sender.transactions.start(self.config.max_block_ms / 1000)
        self._sender.start()
        self._is_open = True
        self._may_send = self._sender.transactions is None
        try:
            yield
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

    async def _queue_of(self, queues: TopicQueues, partition: int) -> PartitionQueue:
        """Of a partition that is not known here: it may have been added a moment ago. Raises ValueError."""
        transaction = self._transaction_count
        with suppress(UnknownTopicOrPartition):
            await self._cluster.topic(queues.topic, self.config.max_block_ms / 1000, max(0, partition) + 1)
        self._accumulator.follow(self._cluster.image)
        self._check_still_may_send(transaction)
        return queues.given(partition)

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
