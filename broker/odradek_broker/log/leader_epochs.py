"""Which leader epochs a log has seen, and the offset where each began (KIP-101, KIP-279).

Invariants
    Epochs and start offsets rise together, strictly.
    Every batch in the log belongs to the last epoch that starts at or before its base offset.

By these a follower finds where its log and its leader's part, and truncates to there. Kafka: LeaderEpochFileCache.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

NO_EPOCH = -1
NO_OFFSET = -1


class LeaderEpochs:
    """The list, in memory. `version` counts its changes, so that the owner knows when to write it down."""

    __slots__ = ("_epochs", "_starts", "version")

    def __init__(self, entries: Iterable[tuple[int, int]] = ()) -> None:
        self._epochs: list[int] = []
        self._starts: list[int] = []
        self.version = 0
        for epoch, start_offset in entries:
            self.assign(epoch, start_offset)
        self.version = 0

    @property
    def latest(self) -> int:
        """The newest epoch, or NO_EPOCH."""
        return self._epochs[-1] if self._epochs else NO_EPOCH

    def entries(self) -> list[tuple[int, int]]:
        """All (epoch, start offset)."""
        return list(zip(self._epochs, self._starts, strict=True))

    def assign(self, epoch: int, start_offset: int) -> None:
        """Note that batches from `start_offset` on belong to `epoch`.

        Entries that contradict this give way: an epoch as new, or one that started here or behind (it has no batches).
        """
        if epoch < 0 or epoch == self.latest:
            return
        while self._starts and (self._starts[-1] >= start_offset or self._epochs[-1] >= epoch):
            self._starts.pop()
            self._epochs.pop()
        self._epochs.append(epoch)
        self._starts.append(start_offset)
        self.version += 1

    def end_offset_for(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """The greatest known epoch at or below `epoch`, and the offset where it ends; (-1, -1) where unknown.

        An epoch older than all known ends where the first known begins, and is echoed as it was asked.
        """
        if not self._epochs or epoch < 0 or epoch > self.latest:
            return NO_EPOCH, NO_OFFSET
        if epoch == self.latest:
            return epoch, log_end_offset
        index = bisect_right(self._epochs, epoch)
        if index == 0:
            return epoch, self._starts[0]
        return self._epochs[index - 1], self._starts[index]

    def epoch_at(self, offset: int) -> int:
        """The epoch that the batch at `offset` belongs to, or NO_EPOCH."""
        index = bisect_right(self._starts, offset)
        return self._epochs[index - 1] if index else NO_EPOCH

    def truncate_to(self, log_end_offset: int) -> None:
        """Forget the epochs that start at or behind the new end of the log."""
        index = bisect_left(self._starts, log_end_offset)
        if index < len(self._starts):
            del self._starts[index:], self._epochs[index:]
            self.version += 1

    def advance_start(self, log_start_offset: int) -> None:
        """Forget the epochs that end at or before the new start of the log; the one it lies in begins there."""
        index = bisect_right(self._starts, log_start_offset) - 1
        if index < 0 or (index == 0 and self._starts[0] == log_start_offset):
            return
        del self._starts[:index], self._epochs[:index]
        self._starts[0] = log_start_offset
        self.version += 1

    def clear(self) -> None:
        if self._epochs:
            self._epochs, self._starts = [], []
            self.version += 1
