"""Which batches of a fetch belong to aborted transactions (isolation level read_committed).

The broker lists, for what it returns, each aborted transaction as (producer id, first offset). Going through the
batches in order, a producer is "aborting" from the first offset of a listed transaction until its abort marker.
"""

from __future__ import annotations

from collections.abc import Iterable

from odradek.protocol.messages.fetch import AbortedTransaction


class AbortedTransactions:
    """The state of that walk; one for each partition of an answer."""

    def __init__(self, listed: Iterable[AbortedTransaction] | None) -> None:
        self._ahead = sorted(
            ((transaction.first_offset, transaction.producer_id) for transaction in listed or ()), reverse=True
        )
        self._aborting: set[int] = set()

    def hides(self, producer_id: int, last_offset: int) -> bool:
        """Whether a transactional batch ending at `last_offset` is part of one. Call in order of offsets."""
        while self._ahead and self._ahead[-1][0] <= last_offset:
            self._aborting.add(self._ahead.pop()[1])
        return producer_id in self._aborting

    def ended(self, producer_id: int) -> None:
        """The producer's marker was passed."""
        self._aborting.discard(producer_id)
