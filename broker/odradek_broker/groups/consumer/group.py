"""ConsumerGroup: the members of a group of the consumer protocol, and how far they are (KIP-848).

Three epochs say how far. The group's epoch rises when who is in it, what they want, or the topics change. The
assignment's epoch is that of the group from which the target was computed. A member's epoch is that of the target it
has come to.

    Empty          no members
    Assigning      the group has changed since the target was computed
    Reconciling    some member has not come to the target yet
    Stable         all have

The state follows from the epochs and is not kept. Everything here is changed by replaying records, and by nothing else;
what is decided from is what has been recorded.

Invariants
    No partition is held by two members.
    The assignment's epoch is never above the group's, nor a member's above the assignment's.
    A static member's instance id belongs to one member.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar

from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.groups.assignors.spec import NO_PARTITIONS, Assignment
from odradek_broker.groups.consumer import records
from odradek_broker.groups.consumer.member import ConsumerMember
from odradek_broker.groups.consumer.resolved_regex import ResolvedRegex
from odradek_broker.groups.history import History
from odradek_broker.groups.kinds import GroupKind
from odradek_broker.groups.offsets import GroupOffsets
from odradek_broker.groups.subscription import CONSUMER_PROTOCOL_TYPE
from odradek_broker.groups.topics import NO_TOPICS_HASH

FIRST_EPOCH, MAX_EPOCH = 1, 2**31 - 1
NEVER_MS = 0
"""The time of a target that has not been computed from anything."""


class ConsumerGroupState(StrEnum):
    EMPTY = "Empty"
    ASSIGNING = "Assigning"
    RECONCILING = "Reconciling"
    STABLE = "Stable"


class ConsumerGroup:
    """One group of the consumer protocol."""

    kind: ClassVar[GroupKind] = GroupKind.CONSUMER
    protocol_type = CONSUMER_PROTOCOL_TYPE
    empty_since_ms = -1
    is_awaited = False

    def __init__(self, group_id: str, offsets: GroupOffsets | None = None) -> None:
        self.group_id = group_id
        self.offsets = GroupOffsets() if offsets is None else offsets
        self.history = History()
        self.epoch = FIRST_EPOCH
        self.metadata_hash = NO_TOPICS_HASH
        self.assignment_epoch = FIRST_EPOCH
        self.assigned_at_ms = NEVER_MS
        """When the target was computed, by the wall clock."""
        self.members: dict[str, ConsumerMember] = {}
        self.static_members: dict[str, str] = {}
        """Instance id to member id."""
        self.targets: dict[str, Assignment] = {}
        """By member id."""
        self.regexes: dict[str, ResolvedRegex] = {}
        """By the regular expression, where it has been resolved."""
        self.has_partition_metadata = False
        """There is a record of a kind that older coordinators wrote; it is taken back when the next epoch is."""
        self.recorded = False
        """There is a record of this group itself, not only of its offsets."""
        self.checked_version = -1
        """Of the metadata with which the group's epoch has last been compared. Not recorded: comparing again is
        harmless."""
        self._holders: dict[tuple[bytes, int], str] = {}
        self._heard: dict[str, None] = {}
        """Members, who has been silent for longest first."""

    # ------------------------------------------------------------------------------------------------- questions

    @property
    def state(self) -> ConsumerGroupState:
        if not self.members:
            return ConsumerGroupState.EMPTY
        if self.epoch != self.assignment_epoch:
            return ConsumerGroupState.ASSIGNING
        if all(member.is_reconciled_to(self.assignment_epoch) for member in self.members.values()):
            return ConsumerGroupState.STABLE
        return ConsumerGroupState.RECONCILING

    @property
    def next_epoch(self) -> int:
        """After the highest number comes the first again: nobody compares epochs but with their neighbours."""
        return self.epoch + 1 if self.epoch < MAX_EPOCH else FIRST_EPOCH

    @property
    def is_empty(self) -> bool:
        return not self.members

    @property
    def is_unwritten(self) -> bool:
        """No record says anything of it, its offsets apart. Compaction may leave what members are to have, or what an
        expression means, before the members and before the group itself."""
        return not (self.recorded or self.members or self.targets or self.regexes)

    @property
    def is_void(self) -> bool:
        return self.is_unwritten and not self.offsets

    def subscribed_topics(self) -> frozenset[str]:
        return self.topics_of(self.members.values())

    def topics_of(self, members: Iterable[ConsumerMember]) -> frozenset[str]:
        """Every topic that one of these has subscribed to, whether it exists or not."""
        names: set[str] = set()
        for member in members:
            names.update(self.names_of(member))
        return frozenset(names)

    def names_of(self, member: ConsumerMember) -> frozenset[str]:
        found = self.regexes.get(member.subscribed_topic_regex or "")
        return member.subscribed_topic_names if found is None else member.subscribed_topic_names | found.topics

    def is_free(self, topic_id: bytes, partition: int, member_id: str) -> bool:
        """Whether nobody but this member holds a partition."""
        return self._holders.get((topic_id, partition), member_id) == member_id

    def target_of(self, member: ConsumerMember) -> Assignment:
        """What it is to have; who takes the place of a static member inherits what that was to have."""
        former_id = self.static_members.get(member.instance_id or "", member.member_id)
        return self.targets.get(former_id, NO_PARTITIONS)

    def preferred_assignor(self, members: Iterable[ConsumerMember]) -> str | None:
        """The one that most of these have named; None where nobody has."""
        votes: dict[str, int] = {}
        for member in members:
            if member.server_assignor is not None:
                votes[member.server_assignor] = votes.get(member.server_assignor, 0) + 1
        return max(votes, key=lambda name: votes[name], default=None)

    def members_with(self, member: ConsumerMember) -> dict[str, ConsumerMember]:
        """As it will be with this one, which may be new, or have another's place as a static member."""
        former_id = self.static_members.get(member.instance_id or "", member.member_id)
        members = {key: each for key, each in self.members.items() if key != former_id or key == member.member_id}
        members[member.member_id] = member
        return members

    def longest_silent(self, but: str) -> str | None:
        """The member that has been silent for longest, of all but this one."""
        return next((member_id for member_id in self._heard if member_id != but), None)

    # ---------------------------------------------------------------------------------------------------- changes

    def hear_of(self, member_id: str) -> None:
        """A member has said something."""
        if member_id in self.members:
            self._heard.pop(member_id, None)
            self._heard[member_id] = None

    def put_member(self, member: ConsumerMember) -> None:
        former = self.members.get(member.member_id)
        if former is not None:
            self._let_go(former)
        self.members[member.member_id] = member
        self._heard.setdefault(member.member_id)
        if member.instance_id is not None:
            self.static_members[member.instance_id] = member.member_id
        self._holders.update(dict.fromkeys(member.held(), member.member_id))

    def remove_member(self, member_id: str) -> None:
        member = self.members.pop(member_id, None)
        self._heard.pop(member_id, None)
        if member is not None:
            self._let_go(member)

    def _let_go(self, member: ConsumerMember) -> None:
        for key in member.held():
            if self._holders.get(key) == member.member_id:
                del self._holders[key]
        if member.instance_id is not None and self.static_members.get(member.instance_id) == member.member_id:
            del self.static_members[member.instance_id]

    def disband(self) -> None:
        """Have no members any longer, whatever was going on. The epoch and the offsets stay."""
        self.members, self.static_members, self.targets, self._holders = {}, {}, {}, {}
        self.regexes, self._heard = {}, {}
        self.epoch = self.next_epoch
        self.assignment_epoch, self.assigned_at_ms = self.epoch, NEVER_MS

    # ------------------------------------------------------------------------------------------------- to records

    def tombstones(self) -> list[CoordinatorRecord]:
        """In the order in which a coordinator, also Kafka's, can replay them."""
        members = list(self.members)
        written = dict.fromkeys([*self.members, *self.targets])
        return [
            *(records.current_assignment_tombstone(self.group_id, each) for each in members),
            *(records.target_tombstone(self.group_id, each) for each in written),
            records.target_metadata_tombstone(self.group_id),
            *(records.member_tombstone(self.group_id, each) for each in members),
            *(records.regex_tombstone(self.group_id, each) for each in self.regexes),
            records.partition_metadata_tombstone(self.group_id),
            records.epoch_tombstone(self.group_id),
        ]
