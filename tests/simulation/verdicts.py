"""How transactions end: what their coordinators have decided for good, and what partitions are told of it.

A decision is for good once its record in __transaction_state is committed; before, the next coordinator may know
nothing of it, and decide another way. So no partition gets a marker before, and none gets another than the rest.
"""

from __future__ import annotations

from ledger import Content
from replica_view import Batch
from stability import Ended, Violated

from odradek_broker.transactions.records import read_record
from odradek_broker.transactions.states import TransactionState

SAYS = {True: "committed", False: "aborted"}


class Verdicts:
    """Of all transactions of a run. Whoever asks sees to it that nothing of __transaction_state was lost."""

    def __init__(self) -> None:
        self._decided: set[tuple[int, int, bool]] = set()
        """By producer and its marker's epoch: whether it was to be committed. Such records are committed."""
        self._marked: dict[tuple[int, int], tuple[bool, str]] = {}
        """By producer and epoch: whether it was committed, and where that was seen first."""

    def decided(self, record: Content) -> None:
        """It is committed in __transaction_state."""
        found = read_record(record.key or b"", record.value)
        if found is not None and found.transaction is not None and found.transaction.state.is_prepared:
            commits = found.transaction.state is TransactionState.PREPARE_COMMIT
            self._decided.add((*found.transaction.producer, commits))

    def marked(self, where: str, marker: Batch, *, commits: bool) -> None:
        """A leader has written a marker. Raises Violated."""
        if (marker.producer_id, marker.producer_epoch, commits) not in self._decided:
            raise Violated(
                f"S8: {where} has a marker that the transaction of producer {marker.producer_id} in epoch"
                f" {marker.producer_epoch} is {SAYS[commits]}, and that was not decided for good"
            )

    def ended(self, where: str, ended: Ended) -> None:
        """A marker is committed that has ended a transaction. Raises Violated."""
        transaction = ended.producer_id, ended.epoch
        known, known_where = self._marked.setdefault(transaction, (ended.committed, where))
        if known != ended.committed:
            raise Violated(
                f"S8: the transaction of producer {ended.producer_id} in epoch {ended.epoch} is {SAYS[known]} in"
                f" {known_where}, and {SAYS[ended.committed]} in {where}"
            )
