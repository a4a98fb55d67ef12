"""What is being handed out at this moment, and so what is finished.

The rule of at least once: a record is finished when the next one is asked for. While the program has a record, only
what came before it may be committed. The fast path of `async for` counts nothing but `index`; everything else is
worked out from it when somebody wants to know (`settle`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from odradek.consumer.partition import PartitionState, RawRecord


class Cursor:
    """`records[:index]` have been handed out. Up to `limit` they may be handed out without asking."""

    def __init__(self) -> None:
        self.state: PartitionState | None = None
        self.records: Sequence[RawRecord] = ()
        self.index = 0
        self.limit = 0
        self.in_progress = False
        """The program has records that it has not finished."""
        self._polled: list[PartitionState] = []

    @property
    def has_more(self) -> bool:
        return self.index < len(self.records)

    @property
    def may_go_on(self) -> bool:
        """What is left may be handed out: its partition is not paused."""
        return self.has_more and self.state is not None and not (self.state.paused or self.state.held)

    def begin(self, state: PartitionState, records: Sequence[RawRecord]) -> None:
        """Hand these out next."""
        self._let_go()
        self.state, self.records, self.index, self.limit = state, records, 0, len(records)
        state.is_handing_out = True

    def hold(self) -> None:
        """Stop the fast path: the next record is asked for the slow way."""
        self.settle()
        self.limit = self.index

    def release(self) -> None:
        self.limit = len(self.records)

    def finish(self) -> None:
        """More is asked for: what was handed out is finished."""
        self.in_progress = False
        self.settle()
        for state in self._polled:
            state.finished = state.position
        self._polled.clear()
        if not self.has_more:
            self._let_go()

    def settle(self) -> None:
        """Bring `position` and `finished` of the partition up to date: forward only, it may have skipped something."""
        if self.state is None or self.index == 0:
            return
        last = self.records[self.index - 1]
        self.state.handed_out_up_to(last.offset + 1)
        if not self._polled:
            self.state.finished_up_to(last.offset if self.in_progress else last.offset + 1)

    def take_rest(self, at_most: int) -> Sequence[RawRecord]:
        """Hand out the rest at once, as `poll` does."""
        assert self.state is not None
        records = self.records[self.index : self.index + at_most]
        self.index += len(records)
        if self.state not in self._polled:
            self._polled.append(self.state)
        self.in_progress = True
        self.settle()
        return records

    def hand_back(self, count: int) -> None:
        """The last `count` records that were taken will come again."""
        assert self.state is not None
        self.index -= count
        self.state.position = self.records[self.index - 1].offset + 1 if self.index else self.records[0].offset

    def is_busy_with(self, states: Collection[PartitionState]) -> bool:
        """Whether the program has records of one of these partitions in its hands."""
        return self.in_progress and (self.state in states or any(state in states for state in self._polled))

    def put_back(self, keep: int | None = None) -> None:
        """What is not handed out goes back to its partition, all but the first `keep` records of the batch."""
        self.settle()
        end = self.index if keep is None else max(keep, self.index)
        if self.state is not None and end < len(self.records):
            self.state.put_back(self.records[end:])
            self.records = self.records[:end]
            self.limit = min(self.limit, end)

    def drop(self, states: Collection[PartitionState]) -> None:
        """These partitions are not ours any more, or have been moved in: nothing more of them is handed out."""
        self._polled = [state for state in self._polled if state not in states]
        if self.state in states:
            self._let_go()

    def _let_go(self) -> None:
        if self.state is not None:
            self.state.is_handing_out = False
        self.state, self.records, self.index, self.limit = None, (), 0, 0
