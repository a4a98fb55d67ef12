"""What is committed of one partition, transaction by transaction: what is open, and how the others have ended."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from replica_view import Batch


class Violated(Exception):
    """An invariant does not hold; the message begins with its name."""


class Ended(NamedTuple):
    """One transaction of one producer in this partition."""

    producer_id: int
    epoch: int
    """Of its records."""
    marker_epoch: int
    first_offset: int
    marker_offset: int
    committed: bool

    @property
    def is_newer(self) -> bool:
        """Its end has raised the epoch, so no other transaction has records of that epoch (KIP-890)."""
        return self.marker_epoch > self.epoch


class Stability:
    """Batches are added in the order of their offsets, as they become committed."""

    def __init__(self) -> None:
        self.ended: dict[int, list[Ended]] = {}
        """By producer, in order."""
        self._open: dict[int, tuple[int, int]] = {}
        """By producer: the epoch, and the first offset."""
        self._newest_epochs: dict[int, int] = {}
        """By producer: of its records and its markers."""

    @property
    def is_any_open(self) -> bool:
        return bool(self._open)

    def last_stable_offset(self, high_watermark: int) -> int:
        return min([high_watermark, *(first for _, first in self._open.values())])

    def add(self, batch: Batch, committed: bool | None) -> Ended | None:
        """The transaction that the batch ends. `committed`: what a marker says, None for what is none.

        Raises Violated for what is written in an epoch that was over.
        """
        if not batch.is_transactional:
            return None
        if committed is None:
            if batch.producer_epoch < self._newest_epochs.get(batch.producer_id, -1):
                raise Violated(f"S7: {batch} was written after the epoch of its producer was over")
            self._newest_epochs[batch.producer_id] = batch.producer_epoch
            self._open.setdefault(batch.producer_id, (batch.producer_epoch, batch.base_offset))
            return None
        self._newest_epochs[batch.producer_id] = batch.producer_epoch
        opened = self._open.pop(batch.producer_id, None)
        if opened is None:
            return None
        ended = Ended(batch.producer_id, opened[0], batch.producer_epoch, opened[1], batch.base_offset, committed)
        self.ended.setdefault(batch.producer_id, []).append(ended)
        return ended

    def end_of(self, batch: Batch) -> Ended | None:
        """Of the transaction that the records belong to; None while it is open."""
        known = self.ended.get(batch.producer_id, [])
        at = bisect_right([each.first_offset for each in known], batch.base_offset) - 1
        return known[at] if at >= 0 and batch.base_offset < known[at].marker_offset else None
