"""`async with producer.transaction() as transaction:`, from its beginning to its end, whichever that is."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

import trio

from odradek.errors import BrokerError, OdradekError, ProducerFenced, RequestTimedOut, TransactionAborted
from odradek.group_position import GroupPosition
from odradek.producer.transaction_state import FENCED_CODES, State
from odradek.producer.transactions import Transactions

if TYPE_CHECKING:
    from odradek.producer.sender import Sender


class HasGroupPosition(Protocol):
    """A consumer that is a member of a group."""

    def group_position(self) -> GroupPosition: ...


class Outcome(Enum):
    """What has become of a transaction."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted: nothing of it will ever be visible"
    UNKNOWN = "a commit was asked for, and what became of it is not known"


class Transaction:
    """A transaction, given out by `producer.transaction()`."""

    def __init__(self, transactions: Transactions) -> None:
        self.outcome = Outcome.OPEN
        self._transactions = transactions

    async def commit_offsets(self, consumer: HasGroupPosition) -> None:
        """Commit, as part of the transaction, all that the consumer has handed out.

        Raises CommitFailed where the consumer has lost partitions to another member; let it end the transaction.
        """
        await self._transactions.add_offsets(consumer.group_position())


class TransactionScope:
    """What happens at both ends of the block. What is sent in between is the producer's affair."""

    def __init__(self, sender: Sender, transactions: Transactions, close_timeout_s: float) -> None:
        self._sender = sender
        self._transactions = transactions
        self._close_timeout_s = close_timeout_s

    async def settle(self) -> None:
        """Raises ProducerFenced."""
        if self._transactions.core.state is State.UNSETTLED:
            await self._sender.drop_unsent()
        await self._transactions.settle()

    async def begin(self) -> Transaction:
        """Raises ProducerFenced, and RuntimeError within another transaction."""
        await self.settle()
        await self._transactions.begin()
        return Transaction(self._transactions)

    def check_committable(self) -> None:
        """Raises why not."""
        if self._transactions.core.failure is not None:
            raise self._transactions.core.failure

    async def commit(self, transaction: Transaction) -> None:
        """A cancellation waits for the answer, for close_timeout_ms at most: then it is known how it has ended."""
        transaction.outcome = Outcome.UNKNOWN
        try:
            with trio.move_on_after(self._close_timeout_s) as patience:
                patience.shield = True
                await self._transactions.commit()
            if patience.cancelled_caught:
                await self._transactions.commit(RequestTimedOut(f"no answer within {self._close_timeout_s:g} s"))
            transaction.outcome = Outcome.COMMITTED
        except (ProducerFenced, TransactionAborted):
            transaction.outcome = Outcome.ABORTED
            raise
        finally:
            self._sender.end_transaction()

    async def abort(self, transaction: Transaction, error: BaseException) -> None:
        """Even when cancelled, but for no longer than close_timeout_ms: the next transaction ends what is open then.

        What that says of the transaction is raised instead of an error that says less, and noted at any other.
        """
        transaction.outcome = Outcome.ABORTED
        self._transactions.core.leave()
        self._sender.end_transaction()
        try:
            with trio.move_on_after(self._close_timeout_s) as patience:
                patience.shield = True
                await self._sender.drop_unsent()
                await self._transactions.abort()
        except OdradekError as failure:
            if isinstance(error, BrokerError) and error.code in FENCED_CODES and failure is not error:
                raise failure from error
            error.add_note(f"and while aborting the transaction: {failure}")
