"""What is owed to partitions: a marker for each that belongs to a transaction whose end has been decided.

Invariants
    No marker is owed before the decision is committed: what a partition is told cannot be taken back.
    What is owed is a function of the records: who takes over from a coordinator owes what it had not yet finished, and
    partitions take a marker twice without harm.
    Whatever a marker says is the state's of the moment in which it was decided: id, epoch, verdict and version.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.transactions.states import TransactionState
from odradek_broker.transactions.transaction import ProducerIdAndEpoch, Transaction


class OwedMarkers(Struct, kw_only=True):
    """Of one transaction."""

    transactional_id: str
    producer: ProducerIdAndEpoch
    commit: bool
    transaction_version: int
    partitions: dict[TopicPartition, None]
    """Those that have none yet."""


class Markers:
    """Of all transactions of one coordinator."""

    def __init__(self) -> None:
        self._decided: dict[str, tuple[int, OwedMarkers]] = {}
        """Where the decision lies in the log, while it is not committed; in the order of the log."""
        self._owed: dict[str, OwedMarkers] = {}
        self._untaken: list[OwedMarkers] = []
        """Owed, and nobody has been told yet."""

    def take(self) -> list[OwedMarkers]:
        """What has come to be owed since the last call. Whoever takes it sees to it that the markers are written."""
        taken, self._untaken = self._untaken, []
        return taken

    def owes(self, transactional_id: str, producer: ProducerIdAndEpoch) -> bool:
        """Whether the transaction of that producer is not completed yet."""
        owed = self._owed.get(transactional_id)
        return owed is not None and owed.producer == producer

    def replayed(self, transactional_id: str, transaction: Transaction | None, log_offset: int) -> None:
        """A transactional id has come to a state."""
        self._decided.pop(transactional_id, None)
        self._owed.pop(transactional_id, None)
        if transaction is not None and transaction.state.is_prepared:
            owed = OwedMarkers(
                transactional_id=transactional_id,
                producer=transaction.producer,
                commit=transaction.state is TransactionState.PREPARE_COMMIT,
                transaction_version=transaction.client_version,
                partitions=dict(transaction.partitions),
            )
            self._decided[transactional_id] = (log_offset, owed)

    def committed(self, log_offset: int) -> bool:
        """All records up to there will stay; whether something is owed now that was not before."""
        for transactional_id, (offset, owed) in list(self._decided.items()):
            if offset > log_offset:
                break
            del self._decided[transactional_id]
            self._owed[transactional_id] = owed
            self._untaken.append(owed)
        return bool(self._untaken)

    def written(
        self, transactional_id: str, producer: ProducerIdAndEpoch, partitions: Iterable[TopicPartition]
    ) -> bool:
        """Partitions have their marker, or are no more; whether that was the last of the transaction's."""
        owed = self._owed.get(transactional_id)
        if owed is None or owed.producer != producer:
            return False
        for partition in partitions:
            owed.partitions.pop(partition, None)
        return not owed.partitions
