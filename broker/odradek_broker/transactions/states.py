"""The states of a transaction, and which may follow on which."""

from __future__ import annotations

from enum import IntEnum


class TransactionState(IntEnum):
    """Kafka's numbers, as they are recorded."""

    EMPTY = 0
    """No transaction since the producer has got its id."""
    ONGOING = 1
    PREPARE_COMMIT = 2
    """It is decided; markers are being written."""
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    """Every partition has its marker."""
    COMPLETE_ABORT = 5
    DEAD = 6
    """The transactional id has expired. Nobody writes this: a null value says it."""
    PREPARE_EPOCH_FENCE = 7
    """Kafka's name for an abort on its way that also fences; here both are one step, and nobody writes this either."""

    @property
    def kafka_name(self) -> str:
        """As DescribeTransactions and ListTransactions have it."""
        return self.name.title().replace("_", "")

    @property
    def is_prepared(self) -> bool:
        """Whether markers are owed."""
        return self is TransactionState.PREPARE_COMMIT or self is TransactionState.PREPARE_ABORT

    @property
    def is_over(self) -> bool:
        """Whether no transaction is open: another may begin, and the transactional id may expire."""
        return self in (TransactionState.EMPTY, TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT)


_OVER = {TransactionState.EMPTY, TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT}

VALID_PREVIOUS = {
    TransactionState.EMPTY: _OVER,
    TransactionState.ONGOING: _OVER | {TransactionState.ONGOING},
    TransactionState.PREPARE_COMMIT: {TransactionState.ONGOING},
    TransactionState.PREPARE_ABORT: _OVER | {TransactionState.ONGOING},
    TransactionState.COMPLETE_COMMIT: {TransactionState.PREPARE_COMMIT},
    TransactionState.COMPLETE_ABORT: {TransactionState.PREPARE_ABORT},
    TransactionState.DEAD: _OVER,
    TransactionState.PREPARE_EPOCH_FENCE: set[TransactionState](),
}
"""From which states each is reached. That nothing may be aborted is new with transaction version 2 (KIP-890)."""

BY_KAFKA_NAME = {state.kafka_name: state for state in TransactionState}
