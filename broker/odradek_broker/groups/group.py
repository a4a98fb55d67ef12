"""ClassicGroup: who belongs to a group, what state it is in, and how it gets from one state to the next.

    Empty                 no members; perhaps offsets
    PreparingRebalance    members are asked to join again; who has joined waits for the others
    CompletingRebalance   a generation has begun; its members wait for the leader's assignment
    Stable                every member of the generation has an assignment, or can ask for it

    Empty -> PreparingRebalance                  the first member joins
    PreparingRebalance -> CompletingRebalance    all members have joined, or the others have had their time
    PreparingRebalance -> Empty                  nobody is left
    CompletingRebalance -> Stable                the leader's assignment is on record
    CompletingRebalance, Stable -> PreparingRebalance    a member comes, goes, or wants something else
    Stable, Empty -> Stable, Empty               a record is replayed: after a restart, or for a static member
    any -> Empty                                 what is known of the members cannot be trusted: `disband`

Dead is the state of a group that does not exist; no object here is ever in it.

Invariants
    The generation never falls, and rises whenever the group begins a new one; after the highest number comes 1, where
        Kafka goes on with negative ones, which to clients mean that there is no generation.
    The leader is a member wherever there are members.
    Every member supports at least one protocol that all others support.
    A member waits for at most one thing: the end of the rebalance, or the assignment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import chain
from typing import ClassVar

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.group_metadata import GroupMetadataValue, MemberMetadata
from odradek.protocol.messages.join_group import JoinGroupRequestProtocol
from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.groups.history import History
from odradek_broker.groups.kinds import GroupKind
from odradek_broker.groups.member import Member
from odradek_broker.groups.offsets import GroupOffsets
from odradek_broker.groups.records import group_record
from odradek_broker.groups.subscription import CONSUMER_PROTOCOL_TYPE, subscribed_topics

MAX_GENERATION = 2**31 - 1


class GroupState(StrEnum):
    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


_PREDECESSORS = {
    GroupState.EMPTY: {GroupState.PREPARING_REBALANCE, GroupState.EMPTY, GroupState.STABLE},
    GroupState.PREPARING_REBALANCE: {GroupState.EMPTY, GroupState.STABLE, GroupState.COMPLETING_REBALANCE},
    GroupState.COMPLETING_REBALANCE: {GroupState.PREPARING_REBALANCE},
    GroupState.STABLE: {GroupState.COMPLETING_REBALANCE, GroupState.STABLE, GroupState.EMPTY},
}


class ClassicGroup:
    """One group of the classic protocol, or of nothing but offsets."""

    kind: ClassVar[GroupKind] = GroupKind.CLASSIC

    def __init__(self, group_id: str, offsets: GroupOffsets | None = None) -> None:
        self.group_id = group_id
        self.offsets = GroupOffsets() if offsets is None else offsets
        self.history = History()
        self.state = GroupState.EMPTY
        self.state_since_ms = -1
        """By the wall clock; -1 where no record has said so."""
        self.protocol_type: str | None = None
        self.protocol_name: str | None = None
        self.generation = 0
        self.leader_id: str | None = None
        self.has_leader_on_record = True
        """Where not, the group has just ceased to be one of the consumer protocol, and has to rebalance."""
        self.members: dict[str, Member] = {}
        self.static_members: dict[str, str] = {}
        """Instance id to member id."""
        self.reserved: set[str] = set()
        """Ids given to newcomers, who are to join again with them (KIP-394)."""
        self.unsynced: set[str] = set()
        """Members that have not yet asked for the assignment of this generation; none while a rebalance goes on, as it
        does whenever a member has come or gone."""
        self.arriving: dict[str, Member] = {}
        """Static members that take a place over as soon as the record that says so is replayed."""
        self.recorded = False
        """There is a record of this group itself, not only of its offsets."""
        self.is_first_rebalance = False
        """The group was empty before this rebalance, so others may be about to come."""
        self.newcomers = False
        """Somebody has joined since the initial delay was last prolonged."""
        self.initial_delay_left_ms = 0

    # ------------------------------------------------------------------------------------------------- questions

    @property
    def is_empty(self) -> bool:
        return self.state is GroupState.EMPTY

    @property
    def is_awaited(self) -> bool:
        return bool(self.reserved)

    @property
    def is_void(self) -> bool:
        return self.is_empty and not (self.recorded or self.members or self.reserved or self.offsets)

    @property
    def empty_since_ms(self) -> int:
        return self.state_since_ms if self.state is GroupState.EMPTY else -1

    @property
    def all_joined(self) -> bool:
        return not self.reserved and all(member.join_ticket is not None for member in self.members.values())

    @property
    def waiting_to_join_count(self) -> int:
        return sum(member.join_ticket is not None for member in self.members.values())

    @property
    def rebalance_timeout_ms(self) -> int:
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    def check_member(self, member_id: str, group_instance_id: str | None) -> ErrorCode:
        """NONE, or what is wrong with one who claims to be this member."""
        if group_instance_id is not None:
            owner = self.static_members.get(group_instance_id)
            if owner is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if owner != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
        return ErrorCode.NONE if member_id in self.members else ErrorCode.UNKNOWN_MEMBER_ID

    def supports(self, protocol_type: str, protocols: Iterable[JoinGroupRequestProtocol]) -> bool:
        """Whether one who speaks these could join: it must share a protocol with all members."""
        names = [each.name for each in protocols]
        if not self.members:
            return bool(protocol_type and names)
        return protocol_type == self.protocol_type and any(_is_common(name, self.members) for name in names)

    def subscribed_topics(self) -> frozenset[str] | None:
        """Of a group of consumers; None where it is something else, or they cannot be made out."""
        if not self.members:
            return frozenset()
        if self.protocol_type != CONSUMER_PROTOCOL_TYPE:
            return None
        return subscribed_topics(chain.from_iterable(member.protocols.values() for member in self.members.values()))

    def members_with(self, old_id: str, member: Member) -> dict[str, Member]:
        """The members, in the same order, with another in the place of `old_id`."""
        return {each.member_id: each for each in (member if key == old_id else m for key, m in self.members.items())}

    def tombstones(self) -> list[CoordinatorRecord]:
        return [group_record(self.group_id, None)]

    # ---------------------------------------------------------------------------------------------------- changes

    def add(self, member: Member, protocol_type: str) -> None:
        if not self.members:
            self.protocol_type = protocol_type
        if self.leader_id is None:
            self.leader_id = member.member_id
        self.members[member.member_id] = member
        if member.group_instance_id is not None:
            self.static_members[member.group_instance_id] = member.member_id

    def remove(self, member_id: str) -> None:
        member = self.members.pop(member_id)
        instance = member.group_instance_id
        if instance is not None and self.static_members.get(instance) == member_id:
            del self.static_members[instance]
        if self.leader_id == member_id:
            self.leader_id = next(iter(self.members), None)

    def replace(self, old_id: str, member: Member) -> None:
        """Put a static member into the place of its former self."""
        assert member.group_instance_id is not None
        self.members = self.members_with(old_id, member)
        self.static_members[member.group_instance_id] = member.member_id
        if self.leader_id == old_id:
            self.leader_id = member.member_id

    def elect_joined_leader(self) -> bool:
        """See to it that the leader is one who has joined; False where nobody has."""
        if self.leader_id is not None and self.members[self.leader_id].join_ticket is not None:
            return True
        joined = next((each.member_id for each in self.members.values() if each.join_ticket is not None), None)
        if joined is not None:
            self.leader_id = joined
        return joined is not None

    def begin_generation(self, wall_ms: int) -> None:
        self.generation = self.generation + 1 if self.generation < MAX_GENERATION else 1
        self.is_first_rebalance = self.newcomers = False
        self.unsynced = set(self.members)
        self.history.ended(self.generation, len(self.members), wall_ms)
        if self.members:
            self.protocol_name = choose_protocol(self.members)
            self.transition_to(GroupState.COMPLETING_REBALANCE, wall_ms)
        else:
            self.protocol_name = self.leader_id = None
            self.transition_to(GroupState.EMPTY, wall_ms)

    def disband(self, wall_ms: int) -> None:
        """Have no members any longer, whatever was going on. The generation and the offsets stay."""
        self.members, self.static_members, self.arriving = {}, {}, {}
        self.reserved, self.unsynced = set(), set()
        self.protocol_name = self.leader_id = None
        self.is_first_rebalance = self.newcomers = False
        self.state, self.state_since_ms = GroupState.EMPTY, wall_ms

    def transition_to(self, state: GroupState, wall_ms: int) -> None:
        assert self.state in _PREDECESSORS[state], f"group {self.group_id}: {self.state} -> {state}"
        self.state, self.state_since_ms = state, wall_ms

    # ------------------------------------------------------------------------------------------- to and from records

    def to_value(self, assignments: Mapping[str, bytes], wall_ms: int) -> GroupMetadataValue:
        """What is to be recorded of this generation, with these assignments (none: empty)."""
        return GroupMetadataValue(
            protocol_type=self.protocol_type or "",
            generation=self.generation,
            protocol=self.protocol_name,
            leader=self.leader_id,
            current_state_timestamp=wall_ms,
            members=[
                member.recorded(self.protocol_name or "", assignments.get(member_id, b""))
                for member_id, member in self.members.items()
            ],
        )

    def adopt(self, value: GroupMetadataValue) -> list[Member]:
        """Become what a record says. Returns the members that have lost their place by it."""
        former = self.members
        self.members = {each.member_id: self._member(each, value.protocol or "") for each in value.members}
        for each in value.members:
            self.members[each.member_id].assignment = bytes(each.assignment)
        self.static_members = {
            each.group_instance_id: each.member_id
            for each in self.members.values()
            if each.group_instance_id is not None
        }
        self.arriving.clear()
        self.generation = value.generation
        self.protocol_type = value.protocol_type or None
        self.protocol_name = value.protocol if self.members else None
        self.has_leader_on_record = not self.members or value.leader is not None
        self.leader_id = value.leader if value.leader in self.members else next(iter(self.members), None)
        self.unsynced &= set(self.members)
        self.transition_to(GroupState.STABLE if self.members else GroupState.EMPTY, value.current_state_timestamp)
        return [member for member_id, member in former.items() if member_id not in self.members]

    def _member(self, recorded: MemberMetadata, protocol: str) -> Member:
        """Keep what is known beyond the record, as long as that agrees with it."""
        known = self.arriving.get(recorded.member_id) or self.members.get(recorded.member_id)
        if known is None or protocol not in known.protocols:
            return Member.restored(recorded, protocol)
        agrees = known.recorded(protocol, recorded.assignment) == recorded
        return known if agrees else Member.restored(recorded, protocol)


def choose_protocol(members: Mapping[str, Member]) -> str:
    """The common protocol with most votes; of equals, the one that the eldest member likes best."""
    eldest = next(iter(members.values()))
    votes = dict.fromkeys((name for name in eldest.protocols if _is_common(name, members)), 0)
    for member in members.values():
        votes[member.vote(votes)] += 1
    return max(votes, key=lambda name: votes[name])


def _is_common(protocol: str, members: Mapping[str, Member]) -> bool:
    return all(protocol in member.protocols for member in members.values())
