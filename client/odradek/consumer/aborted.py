"""Which batches of a fetch belong to aborted transactions (isolation level read_committed).

The broker lists, for what it returns, each aborted transaction as (producer id, first offset). Going through the
batches in order, a producer is "aborting" from the first offset of a listed transaction until its abort marker.
"""

from __future__ import annotations

from collections.abc import Iterable

from odradek.protocol.messages.fetch import AbortedTransaction
from odradek.protocol.records.batch import BatchHeader


class AbortedTransactions:
    """The state of that walk; one for each partition of an answer."""

    def __init__(self, listed: Iterable[AbortedTransaction] | None) -> None:
        self._ahead = sorted(
            ((transaction.first_offset, transaction.producer_id) for transaction in listed or ()), reverse=True
        )
        self._aborting: set[int] = set()

    def pass_batch(self, header: BatchHeader) -> bool:
        """Whether that batch is part of an aborted transaction. Call for each one, in order of offsets."""
        while self._ahead and self._ahead[-1][0] <= header.last_offset:
            self._aborting.add(self._ahead.pop()[1])
        if header.is_control:
            self._aborting.discard(header.producer_id)
            return False
        return header.is_transactional and header.producer_id in self._aborting
