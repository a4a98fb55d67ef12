"""GroupTable: the groups of one partition of __consumer_offsets by their ids, and what records do to them.

Invariants
    A group id belongs to one group. Where it becomes another kind of group, its offsets are that one's.
    A group is in here if a record or a member of it is; who looks for another finds nothing.
"""

from __future__ import annotations

from typing import TypeVar

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.group_metadata import GroupMetadataValue
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.groups.consumer.group import ConsumerGroup
from odradek_broker.groups.consumer.records import ConsumerGroupRecord
from odradek_broker.groups.consumer.replay import replay as replay_consumer_group
from odradek_broker.groups.group import ClassicGroup
from odradek_broker.groups.kinds import Group
from odradek_broker.groups.offsets import CommittedOffset
from odradek_broker.groups.rebalance import dismiss
from odradek_broker.groups.records import GroupRecord, OffsetRecord
from odradek_broker.groups.share.group import ShareGroup
from odradek_broker.groups.share.records import ShareGroupRecord
from odradek_broker.groups.share.replay import replay as replay_share_group
from odradek_broker.groups.step import Step
from odradek_broker.groups.sync import assignment_is_on_record
from odradek_broker.groups.timers import TimerKind

G = TypeVar("G", ClassicGroup, ConsumerGroup, ShareGroup)


class GroupTable:
    """Who asks for a group of one kind does not find one of another."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self._transactions: dict[int, set[str]] = {}
        """The groups in which a producer's open transaction has offsets."""
        self._to_come: ConsumerGroup | None = None

    # ----------------------------------------------------------------------------------------------------- finding

    def classic(self, group_id: str) -> ClassicGroup | None:
        group = self.groups.get(group_id)
        return group if isinstance(group, ClassicGroup) else None

    def consumer(self, group_id: str) -> ConsumerGroup | None:
        group = self.groups.get(group_id)
        return group if isinstance(group, ConsumerGroup) else None

    def any_or_new(self, group_id: str) -> Group:
        """A group that has nothing but offsets is a classic one."""
        return self.groups.get(group_id) or self.put(ClassicGroup(group_id))

    def to_come(self, group_id: str) -> ConsumerGroup:
        """A consumer group to decide from, which is there once that is on record: then with the history it has now."""
        self._to_come = ConsumerGroup(group_id)
        former = self.groups.get(group_id)
        if former is not None:
            self._to_come.history = former.history
        return self._to_come

    def put(self, group: Group) -> Group:
        """From now on the group id is this group's, and with it what has happened."""
        former = self.groups.get(group.group_id)
        if former is not None:
            group.history = former.history
        self.groups[group.group_id] = group
        return group

    def forget_if_void(self, group: Group) -> None:
        if group.is_void and self.groups.get(group.group_id) is group:
            del self.groups[group.group_id]

    # ------------------------------------------------------------------------------------------------------ offsets

    def replay_offset(self, record: OffsetRecord, log_offset: int, producer_id: int | None) -> None:
        key = TopicPartition(record.topic, record.partition)
        if record.value is None:
            group = self.groups.get(record.group_id)
            if group is not None:
                group.offsets.remove(key)
                self.forget_if_void(group)
            return
        group = self.any_or_new(record.group_id)
        group.offsets.put(key, CommittedOffset(record.value, log_offset), producer_id)
        if producer_id is not None:
            self._transactions.setdefault(producer_id, set()).add(record.group_id)

    def complete_transaction(self, producer_id: int, *, commit: bool) -> None:
        for group_id in sorted(self._transactions.pop(producer_id, ())):
            group = self.groups.get(group_id)
            if group is not None:
                group.offsets.complete(producer_id, commit=commit)
                self.forget_if_void(group)

    # ------------------------------------------------------------------------------------------------------- groups

    def replay_classic(self, record: GroupRecord, step: Step) -> None:
        group = self.groups.get(record.group_id)
        if not isinstance(group, ClassicGroup):
            if record.value is None:
                return
            group = self._in_place_of(group, ClassicGroup(record.group_id))
        if record.value is None and group.members:
            self._give_over(group, step)
        for member in group.adopt(record.value or GroupMetadataValue(generation=group.generation)):
            dismiss(group, member, step, ErrorCode.FENCED_INSTANCE_ID)
        group.recorded = record.value is not None
        assignment_is_on_record(group, step)
        self.forget_if_void(group)

    def _give_over(self, group: ClassicGroup, step: Step) -> None:
        """The members go on in a group of the other protocol, as the next records say: there they have to join."""
        for member in group.members.values():
            dismiss(group, member, step, ErrorCode.REBALANCE_IN_PROGRESS)
        self._release_reserved(group, step)
        for kind in (TimerKind.REBALANCE, TimerKind.SYNC):
            step.cancel_timer(kind, group.group_id)
        group.disband(step.now.wall_ms)

    def replay_consumer(self, record: ConsumerGroupRecord, step: Step) -> None:
        group = self.groups.get(record.group_id)
        if not isinstance(group, ConsumerGroup):
            if record.value is None:
                return
            self._release_reserved(group, step)
            group = self._in_place_of(group, self._come(record.group_id))
        replay_consumer_group(group, record, step)
        if group.is_unwritten and group.offsets:
            self._in_place_of(group, ClassicGroup(record.group_id))
        self.forget_if_void(group)

    def replay_share(self, record: ShareGroupRecord, step: Step) -> None:
        group = self.groups.get(record.group_id)
        if not isinstance(group, ShareGroup):
            if record.value is None:
                return
            self._release_reserved(group, step)
            group = self._in_place_of(group, ShareGroup(record.group_id))
        replay_share_group(group, record, step)
        self.forget_if_void(group)

    def _come(self, group_id: str) -> ConsumerGroup:
        group, decided = ConsumerGroup(group_id), self._to_come
        if decided is not None and decided.group_id == group_id:
            group.history, self._to_come = decided.history, None
        return group

    def _in_place_of(self, former: Group | None, group: G) -> G:
        """Raises ProtocolError where somebody is in the one before: nobody has written down that they have gone."""
        if former is not None and not former.is_empty:
            raise ProtocolError(f"group {group.group_id!r} has members as a {former.kind} group")
        if former is not None:
            group.offsets = former.offsets
        self.put(group)
        return group

    def _release_reserved(self, group: Group | None, step: Step) -> None:
        if isinstance(group, ClassicGroup):
            for member_id in group.reserved:
                step.cancel_timer(TimerKind.SESSION, group.group_id, member_id)
