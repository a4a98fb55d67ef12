"""What gaining and losing partitions means for a consumer: the group asks for it, step by step.

revoke   stop handing out, wait until what the program has is finished, commit that, tell the program, let go
lose     let go, tell the program; nothing is committed, as others may have the partitions already
assign   look up what is committed, tell the program (which may seek), begin to fetch
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import trio

from odradek.cluster.cluster import Cluster
from odradek.consumer.commits import Commits, CommittedOffset
from odradek.consumer.config import ConsumerConfig
from odradek.consumer.cursor import Cursor
from odradek.consumer.partition import PartitionState
from odradek.consumer.positions import Positions
from odradek.consumer.subscription import Subscription
from odradek.consumer.unfinished import Unfinished
from odradek.errors import OdradekError
from odradek.protocol.topic_partition import TopicPartition
from odradek.wakeup import Changes

logger = logging.getLogger(__name__)


class OwnedPartitions:
    """The partitions of one consumer: an Owner, as group.py calls it."""

    def __init__(
        self, cluster: Cluster, config: ConsumerConfig, subscription: Subscription, cursor: Cursor, changed: Changes
    ) -> None:
        self.commits: Commits | None = None
        self.positions: Positions | None = None
        self.finished = Changes()
        """Announced when the program asks for more."""
        self.taken_in_hand: set[TopicPartition] = set()
        """Let go while the program had records of them, since it last asked for more: what it does with these, others
        may have done."""
        self.unfinished: Unfinished | None = None
        """Records that were handed out, and are not done with though more were asked for."""
        self._cluster = cluster
        self._config = config
        self._subscription = subscription
        self._cursor = cursor
        self._changed = changed
        self._hold_count = 0
        self._progress: tuple[object, int, int] = (None, 0, 0)
        self._progress_at = 0.0

    @property
    def is_held(self) -> bool:
        """Nothing may be handed out at the moment."""
        return self._hold_count > 0

    # ------------------------------------------------------------------------------------------ as an Owner

    async def revoke(self, partitions: Collection[TopicPartition]) -> None:
        if not partitions:
            return
        states = [self._subscription.state(partition) for partition in partitions]
        with self._hold():
            await self._wait_finished(states)
            if self._config.commit == "auto":
                await self.commit_finished(states)
            if self._config.on_revoke is not None:
                await self._config.on_revoke(sorted(partitions))
            self._let_go(partitions)

    async def lose(self, partitions: Collection[TopicPartition]) -> None:
        if not partitions:
            return
        with self._hold():
            self._let_go(partitions)
            if self._config.on_revoke is not None:
                await self._config.on_revoke(sorted(partitions))

    async def assign(self, partitions: Collection[TopicPartition]) -> None:
        added = self._subscription.add(partitions)
        for state in added:
            state.held = True
        await self.find_positions(added)
        if self._config.on_assign is not None and added:
            await self._config.on_assign([state.topic_partition for state in added])
        for state in added:
            state.held = False
        assert self.positions is not None
        self.positions.resume()

    @property
    def stuck_s(self) -> float:
        """The age of the hand-out that was seen last, as of `note_progress`."""
        return trio.current_time() - self._progress_at

    def note_progress(self) -> None:
        """Look whether it is still the same."""
        self._cursor.settle()
        tries = 0 if self.unfinished is None else self.unfinished.tries
        progress = (self._cursor.records, self._cursor.index, tries)
        if not self._is_busy or progress[0] is not self._progress[0] or progress[1:] != self._progress[1:]:
            self._progress, self._progress_at = progress, trio.current_time()

    async def wait_unstuck(self) -> None:
        while self._is_busy:
            await self.finished.wait()

    def more_is_asked_for(self) -> None:
        """What was handed out is finished, or has its place among what is not."""
        self.taken_in_hand.clear()
        if self.unfinished is not None:
            self.unfinished.tried = None
        self.finished.announce()

    @property
    def _is_busy(self) -> bool:
        return self._cursor.in_progress or (self.unfinished is not None and self.unfinished.tried is not None)

    # ------------------------------------------------------------------------------------------ and for the consumer

    async def find_positions(self, states: Collection[PartitionState]) -> None:
        """Where to begin: what the group has committed, else the start policy."""
        assert self.positions is not None
        committed: dict[TopicPartition, CommittedOffset] = {}
        if self.commits is not None and states:
            partitions = [state.topic_partition for state in states]
            committed = await self.commits.fetch(partitions, stable=self._config.reads_committed)
        for state in states:
            if state.position is not None or state.reset_to is not None or state.else_at is not None:
                continue  # the program has moved it meanwhile
            known = committed.get(state.topic_partition)
            if known is None:
                self.positions.begin_without_offset(state)
            else:
                state.seek(known.offset, known.leader_epoch)
                state.committed = known.offset

    async def commit_finished(self, states: Collection[PartitionState]) -> bool:
        """Commit what is finished and not committed yet. False where that failed; then it will be read again."""
        assert self.commits is not None
        self._cursor.settle()
        due = {state: offset for state in states if (offset := self._to_commit(state)) is not None}
        try:
            await self.commits.commit({state.topic_partition: offset for state, offset in due.items()})
        except OdradekError as error:
            logger.warning("automatic commit: %s", error)
            return False
        for state, offset in due.items():
            state.committed = offset.offset
        return True

    def _to_commit(self, state: PartitionState) -> CommittedOffset | None:
        """None where nothing is new: what is finished, but for what the program has put off."""
        put_off = None if self.unfinished is None else self.unfinished.lowest(state.topic_partition)
        if state.finished is None or state.finished == state.committed:
            return None
        if put_off is None or put_off >= state.finished:
            return CommittedOffset(state.finished, state.position_epoch)
        return CommittedOffset(put_off) if state.committed is None or put_off > state.committed else None

    def drop_handed_out(self, states: Collection[PartitionState]) -> None:
        """These are moved or gone: nothing more of what the cursor has of them is handed out."""
        self._cursor.settle()
        self._cursor.drop(list(states))
        if self.unfinished is not None:
            self.unfinished.forget([state.topic_partition for state in states])
        self._changed.announce()

    def _let_go(self, partitions: Collection[TopicPartition]) -> None:
        states = [self._subscription.states[p] for p in partitions if p in self._subscription.states]
        self.taken_in_hand.update(s.topic_partition for s in states if self._cursor.is_busy_with([s]))
        self.drop_handed_out(states)
        self._subscription.remove(partitions)

    @contextmanager
    def _hold(self) -> Iterator[None]:
        self._hold_count += 1
        self._cursor.hold()
        try:
            yield
        finally:
            self._hold_count -= 1
            if not self._hold_count:
                self._cursor.release()
            self._changed.announce()

    async def _wait_finished(self, states: Collection[PartitionState]) -> None:
        with (
            self._cluster.activities.waiting("rebalance", "the program is still busy with a record"),
            trio.move_on_after(self._config.max_poll_interval_ms / 1000),
        ):
            while self._cursor.is_busy_with(states) or self._tries_one_of(states):
                await self.finished.wait()

    def _tries_one_of(self, states: Collection[PartitionState]) -> bool:
        tried = None if self.unfinished is None else self.unfinished.tried
        return tried is not None and any(state.topic_partition == tried.topic_partition for state in states)
