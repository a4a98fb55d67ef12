"""Which controller has decided what: the epochs of the metadata, and where each began.

Every start of a controller begins an epoch of its own. A record is named by its offset and its epoch together, so that
two records that stood at one offset, the one lost and the other written in its place, are never taken for each other.
Kafka: the epochs of the metadata log, by which a voter whose log parts from the leader's is told so.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

NO_EPOCH = -1
"""Of a record whose epoch nobody knows; and of a journal that cannot lose its end."""

NO_OFFSET = -1


class History:
    """Fixed when a controller starts: later records are all of the last epoch."""

    def __init__(self, epochs: Sequence[tuple[int, int]] = (), known_from: int = 0) -> None:
        """`epochs`: (epoch, first offset), both rising. What lies before `known_from` is only known in sum."""
        self._epochs = [epoch for epoch, _ in epochs]
        self._starts = [start for _, start in epochs]
        self._known_from = known_from

    def epoch_of(self, offset: int) -> int:
        """The epoch of the record with that offset."""
        index = bisect_right(self._starts, offset)
        return self._epochs[index - 1] if index else NO_EPOCH

    def has(self, offset: int, epoch: int, end_offset: int) -> bool:
        """Whether the record with that offset and epoch is part of this history, which ends before `end_offset`."""
        if offset >= end_offset:
            return False
        return epoch == NO_EPOCH or offset < self._known_from or self.epoch_of(offset) in (epoch, NO_EPOCH)
