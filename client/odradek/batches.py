"""Reading, writing and committing in one transaction for each batch.

    async with exactly_once(consumer, producer) as batches:
        async for batch in batches:
            for record in batch:
                await producer.send("out", transform(record))

Invariants
    What was sent for a batch and the batch's offsets become visible together, or not at all.
    A batch that was not committed is read again: by whoever has its partitions by then, or by this consumer, which is
    set back to its beginning before anything is raised.

Where a commit was sent and nobody says what became of it (cancelled, and no answer within close_timeout_ms), only the
group knows: this consumer goes on where that stands once the transaction is over, whichever way.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from odradek.errors import CommitFailed, TransactionAbortable, TransactionAborted
from odradek.producer.transaction_scope import Outcome

if TYPE_CHECKING:
    from odradek.consumer import Consumer
    from odradek.producer import Producer
    from odradek.producer.transaction_scope import Transaction
    from odradek.protocol.topic_partition import TopicPartition
    from odradek.record import Record

logger = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

READ_AGAIN = (CommitFailed, TransactionAbortable, TransactionAborted)
"""The batch is aborted, and nothing keeps the next one from being begun."""


@asynccontextmanager
async def exactly_once(
    consumer: Consumer[K, V], producer: Producer, *, max_records: int | None = None
) -> AsyncIterator[Batches[K, V]]:
    """Batches of the consumer's records, each in a transaction of the producer's.

    A batch is committed when the next one is asked for, or when the block ends normally. Left by an exception or a
    cancellation, the block aborts; the consumer stands at the beginning of the batch then. Where partitions have gone
    to another member meanwhile, the batch is aborted and the next one comes: it is that member's now. Where the
    transaction can only be aborted, be it that it took longer than transaction_timeout_ms, the batch comes again.

    Raises ValueError for a consumer without a group, with another commit= than "manual" or another isolation level than
    "read_committed", and for a producer without a transactional_id; and ProducerFenced.
    """
    if consumer.group is None or consumer.config.commit != "manual":
        raise ValueError('the consumer needs a group, and commit="manual": the producer commits for it')
    if not consumer.config.reads_committed:
        raise ValueError('the consumer needs isolation_level="read_committed": else it reads what is aborted later')
    if producer.config.transactional_id is None:
        raise ValueError("the producer needs a transactional_id")
    batches = Batches(consumer, producer, max_records)
    try:
        yield batches
    except BaseException as error:
        await batches.abort(error)
        raise
    await batches.commit()


class Batches(Generic[K, V]):
    """Given out by `exactly_once`: use as `async for batch in batches`."""

    def __init__(self, consumer: Consumer[K, V], producer: Producer, max_records: int | None) -> None:
        self._consumer = consumer
        self._producer = producer
        self._max_records = max_records
        self._scope: AbstractAsyncContextManager[Transaction] | None = None
        self._transaction: Transaction
        self._begin: dict[TopicPartition, int] = {}
        """Where the present batch begins in each of its partitions."""

    @property
    def transaction(self) -> Transaction:
        """That of the batch that was given out last, also when it is over: its outcome says how."""
        return self._transaction

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Record[K, V]]:
        """The next batch, once there is a record. The one before is committed, or was taken from us."""
        await self.commit()
        await self._producer.settle()  # a consumer that does not know where to go on waits for what is open
        batch: list[Record[K, V]] = []
        while not batch:
            batch = await self._consumer.poll(self._max_records)
        self._begin = {}
        for record in batch:
            self._begin.setdefault(record.topic_partition, record.offset)
        scope = self._producer.transaction()
        try:
            self._transaction = await scope.__aenter__()
        except BaseException:
            self._set_back(Outcome.ABORTED)
            raise
        self._scope = scope
        return batch

    async def commit(self) -> None:
        """Commit the present batch, if there is one."""
        scope, self._scope = self._scope, None
        if scope is None:
            return
        try:
            try:
                await self._transaction.commit_offsets(self._consumer)
            except BaseException as error:
                await self._leave(scope, error)
                raise
            try:
                await scope.__aexit__(None, None, None)
            except BaseException:
                self._set_back(self._transaction.outcome)
                raise
        except READ_AGAIN as error:
            logger.warning("a batch is aborted, and read again by whoever has its partitions: %s", error)

    async def abort(self, error: BaseException) -> None:
        """Abort the present batch, if there is one, because of an error that the caller raises."""
        scope, self._scope = self._scope, None
        if scope is not None:
            await self._leave(scope, error)

    async def _leave(self, scope: AbstractAsyncContextManager[Transaction], error: BaseException) -> None:
        try:
            await scope.__aexit__(type(error), error, error.__traceback__)
        except BaseException as raised:
            if raised is not error:
                raise
        finally:
            self._set_back(self._transaction.outcome)

    def _set_back(self, outcome: Outcome) -> None:
        """To where the batch begins.

        Not where a partition was taken from us, be it ours again: it stands at what is committed.
        """
        ours = set(self._consumer.assignment) - self._consumer.taken_in_hand
        begin = {partition: offset for partition, offset in self._begin.items() if partition in ours}
        if outcome is Outcome.UNKNOWN:
            self._consumer.seek_to_committed(begin)
            return
        for partition, offset in begin.items():
            self._consumer.seek(partition, offset)
