"""What a consumer's group is told of: commits, and what was committed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odradek.consumer.base import ConsumerBase
from odradek.consumer.commits import CommittedOffset
from odradek.errors import CommitFailed
from odradek.group_position import GroupPosition
from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Record


class Committing(ConsumerBase):
    """Commits of the group."""

    async def commit(
        self, what: Record[Any, Any] | Mapping[TopicPartition, int] | None = None
    ) -> dict[TopicPartition, int]:
        """Commit up to and including a record; or the given offsets; or all that has been handed out until now.

        Returns what was committed. During a rebalance it waits, and then commits if the partitions are still ours.
        Raises CommitFailed where they are not, and RuntimeError without a group.
        """
        if self._commits is None:
            raise RuntimeError("a consumer without a group cannot commit")
        self._cursor.settle()
        if what is None:
            offsets = {s.topic_partition: s.position for s in self._states() if s.position is not None}
        elif isinstance(what, Record):
            offsets = {what.topic_partition: what.offset + 1}
        else:
            offsets = dict(what)
        epochs = {partition: self._epoch_at(partition, offset) for partition, offset in offsets.items()}
        self._check_ours(offsets)
        while not await self._reader.commit(
            {partition: CommittedOffset(offset, epochs[partition]) for partition, offset in offsets.items()}
        ):
            self._check_ours(offsets)
        for partition, offset in offsets.items():
            if partition in self._subscription.states:
                self._subscription.states[partition].committed = offset
        return offsets

    @property
    def taken_in_hand(self) -> frozenset[TopicPartition]:
        """Partitions that the group took from us while the program had records of them, which it still has."""
        return frozenset(self._owned.taken_in_hand)

    def group_position(self) -> GroupPosition:
        """All that was handed out, for a transaction to commit.

        Raises RuntimeError without a group, CommitFailed while the group does not know us, or where partitions were
        taken from us with records in the program's hands: it may have given them back, but not what was done since.
        """
        if self.group is None:
            raise RuntimeError("a consumer without a group cannot commit")
        if self.taken_in_hand:
            raise CommitFailed(
                f"the group {self.group} has taken away {', '.join(map(str, sorted(self.taken_in_hand)))}"
            )
        self._cursor.settle()
        member = None if self._group is None else self._group.membership
        if member is not None and not member.member_id:
            raise CommitFailed(f"this consumer is not a member of {self.group} at the moment")
        return GroupPosition(
            self.group,
            -1 if member is None else member.generation,
            "" if member is None else member.member_id,
            None if member is None else self.config.instance_id,
            {s.topic_partition: s.position for s in self._states() if s.position is not None},
        )

    async def committed(self, *partitions: TopicPartition) -> dict[TopicPartition, int]:
        """What the group has committed; partitions with nothing are left out. Raises RuntimeError without a group."""
        if self._commits is None:
            raise RuntimeError("a consumer without a group has committed nothing")
        found = await self._commits.fetch(partitions or self._subscription.assigned, stable=self.config.reads_committed)
        return {partition: offset.offset for partition, offset in found.items()}

    def _epoch_at(self, partition: TopicPartition, offset: int) -> int:
        state = self._subscription.states.get(partition)
        return state.position_epoch if state is not None and state.position == offset else -1

    def _check_ours(self, offsets: Mapping[TopicPartition, int]) -> None:
        lost = [partition for partition in offsets if partition not in self._subscription.states]
        if self._group is not None and lost:
            raise CommitFailed(f"{lost[0]} is not assigned to this consumer any more")
