"""Brings the next records under the cursor, and waits for them; the slow path of `async for`, and all of `poll`.

Invariants
    Between the moment when records count as handed out and the moment when the program has them, nothing can fail: no
    await, no decoding, no partition's error.
    With commit="before", nothing is handed out that is not committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import trio

from odradek.activity import Activities
from odradek.consumer.commits import Commits, CommittedOffset
from odradek.consumer.config import ConsumerConfig
from odradek.consumer.cursor import Cursor
from odradek.consumer.epoch_group import EpochGroup
from odradek.consumer.group import Group
from odradek.consumer.rebalance import OwnedPartitions
from odradek.consumer.subscription import Subscription
from odradek.errors import (
    CommitFailed,
    CorruptRecords,
    IllegalGeneration,
    OdradekError,
    RebalanceInProgress,
    SerializationFailed,
)
from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Record
from odradek.topic import Topic
from odradek.wakeup import Changes

RECORDS_BETWEEN_CHECKPOINTS = 200
"""How many records are handed out, at the most, before the tasks in the background get a turn."""


class Reader:
    """One task at a time may use it. `took` is called when room was made in a partition's buffer."""

    def __init__(
        self,
        config: ConsumerConfig,
        subscription: Subscription,
        cursor: Cursor,
        owned: OwnedPartitions,
        activities: Activities,
        changed: Changes,
        took: Callable[[], None],
    ) -> None:
        self.commits: Commits | None = None
        self.group: Group | EpochGroup | None = None
        self._config = config
        self._subscription = subscription
        self._cursor = cursor
        self._owned = owned
        self._activities = activities
        self._changed = changed
        self._took = took
        self._is_reading = False
        self._since_checkpoint = 0

    async def fill_cursor(self, deadline: float | None) -> bool:
        """Let the cursor have a record that may be handed out now; False where none came in time.

        All that was handed out before is finished.
        """
        if self._is_reading:
            raise trio.BusyResourceError("another task is reading from this consumer")
        if self._subscription.is_empty:
            raise RuntimeError("subscribe or assign first")
        self._is_reading = True
        try:
            self._since_checkpoint += self._cursor.index
            self._cursor.finish()
            self._owned.more_is_asked_for()
            await self._checkpoint()
            return await self._wait_for_records(deadline)
        except OdradekError:
            # A program that reads on may meet the same error at once, for ever: others need a turn to bring records.
            self._since_checkpoint = RECORDS_BETWEEN_CHECKPOINTS
            raise
        finally:
            self._is_reading = False

    def take(self, at_most: int, typed: Mapping[str, Topic[Any, Any]]) -> list[Record[Any, Any]]:
        """Hand out what is there, the cursor's batch first. A record that cannot be decoded comes first, and alone."""
        taken = self._take_decoded(at_most, typed)
        while len(taken) < at_most and not self._cursor.has_more and self._config.commit != "before":
            if not self._begin_next_batch(raising=False):
                break
            try:
                taken += self._take_decoded(at_most - len(taken), typed)
            except SerializationFailed:
                self._cursor.hand_back(1)  # it is raised when it comes first
                break
        return taken

    def _take_decoded(self, at_most: int, typed: Mapping[str, Topic[Any, Any]]) -> list[Record[Any, Any]]:
        records: list[Record[Any, Any]] = list(self._cursor.take_rest(at_most))
        if not typed:
            return records
        decoded: list[Record[Any, Any]] = []
        for record in records:
            try:
                decoded.append(typed[record.topic].decode(record))
            except SerializationFailed:
                if decoded:
                    self._cursor.hand_back(len(records) - len(decoded))
                    break
                self._cursor.hand_back(len(records) - 1)
                raise
        return decoded

    async def _checkpoint(self) -> None:
        if self._since_checkpoint >= RECORDS_BETWEEN_CHECKPOINTS:
            self._since_checkpoint = 0
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()

    async def _wait_for_records(self, deadline: float | None) -> bool:
        try:
            while True:
                if not self._owned.is_held and (self._cursor.may_go_on or self._begin_next_batch(raising=True)):
                    if self._config.commit != "before" or await self._commit_before():
                        return True
                    continue
                self._since_checkpoint = 0
                self._activities.begin("reader", self._why_nothing())
                if deadline is None:
                    await self._changed.wait()
                    continue
                with trio.move_on_at(deadline) as patience:
                    await self._changed.wait()
                if patience.cancelled_caught:
                    return False
        finally:
            self._activities.end("reader")

    def _begin_next_batch(self, *, raising: bool) -> bool:
        """Put the next decoded batch under the cursor. What a partition has to say is raised, or kept for later."""
        while (state := self._subscription.next_readable()) is not None:
            if state.error is not None and not state.has_records:
                if raising:
                    raise state.error
                return False
            try:
                records = state.next_records()
            except CorruptRecords:
                if raising:
                    raise
                return False
            self._took()
            if records:
                self._cursor.begin(state, records)
                return True
        return False

    async def _commit_before(self) -> bool:
        """At most once: commit what is about to be handed out. False where it was taken away meanwhile."""
        cursor, state = self._cursor, self._cursor.state
        assert state is not None
        if self.commits is None or cursor.index > 0:
            return True
        cursor.put_back(keep=self._config.max_poll_records)
        version, end = state.version, cursor.records[-1].offset + 1
        cursor.limit = 0
        if not await self.commit({state.topic_partition: CommittedOffset(end, state.position_epoch)}):
            return False  # look again: the partition may be another member's now
        state.committed = end
        cursor.release()
        return cursor.state is state and state.version == version and not self._owned.is_held

    async def commit(self, offsets: Mapping[TopicPartition, CommittedOffset]) -> bool:
        """False where a rebalance came first: it has brought another assignment, so look again at what is ours.

        Raises CommitFailed where it cannot help to wait for that.
        """
        assert self.commits is not None
        rounds = 0 if self.group is None else self.group.rounds
        try:
            await self.commits.commit(offsets)
        except CommitFailed as failure:
            meets_rebalance = isinstance(failure.__cause__, RebalanceInProgress | IllegalGeneration)
            if self.group is None or not meets_rebalance or self.group.is_calling_back:
                raise
            if not await self.group.settle_again(rounds, "a commit has met a rebalance"):
                raise
            return False
        return True

    def _why_nothing(self) -> str:
        states = list(self._subscription.states.values())
        if self._owned.is_held:
            return "the group rebalances"
        if not states:
            return "no partition is assigned"
        if all(state.paused for state in states):
            return "all partitions are paused"
        if any(state.position is None for state in states):
            return "positions are being looked up"
        return "no new records"
