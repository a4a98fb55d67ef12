"""A member of a consumer group.

What a member has, and what it is to have, are two things: the target is the group's, this is how far it has got.

    STABLE                  it has all that its epoch's target says
    UNREVOKED_PARTITIONS    it has been asked to give up partitions, and has not said yet that it has
    UNRELEASED_PARTITIONS   it has what is free of its target, and waits for partitions that others still hold
    UNKNOWN                 written by a coordinator that knows more; it has to begin again
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import TypeAlias

from msgspec import Struct

from odradek.protocol.messages.consumer_group_records import ClassicMemberMetadata
from odradek_broker.groups.assignors.spec import Assignment

Partitions: TypeAlias = Mapping[bytes, Mapping[int, int]]
"""Topic id to partition to the member epoch in which it was given."""

NOTHING_HELD: Partitions = MappingProxyType({})

JOINING_EPOCH, LEAVING_EPOCH, LEAVING_FOR_A_WHILE_EPOCH = 0, -1, -2


class MemberState(IntEnum):
    """Kafka's numbers."""

    STABLE = 0
    UNREVOKED_PARTITIONS = 1
    UNRELEASED_PARTITIONS = 2
    UNKNOWN = 127

    @classmethod
    def _missing_(cls, value: object) -> MemberState:
        return cls.UNKNOWN


class ConsumerMember(Struct, frozen=True, kw_only=True):
    """A member; a change makes another one of it."""

    member_id: str
    member_epoch: int = JOINING_EPOCH
    """That of the target which it has come to; LEAVING_FOR_A_WHILE_EPOCH for a static member that restarts."""
    previous_member_epoch: int = -1
    """It may be that the member has not heard yet that its epoch is another."""
    state: MemberState = MemberState.STABLE
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    client_id: str = ""
    client_host: str = ""
    subscribed_topic_names: frozenset[str] = frozenset()
    subscribed_topic_regex: str | None = ""
    server_assignor: str | None = None
    assigned: Partitions = NOTHING_HELD
    pending_revocation: Partitions = NOTHING_HELD
    classic: ClassicMemberMetadata | None = None
    """Set for one that speaks the classic protocol."""

    @property
    def uses_classic_protocol(self) -> bool:
        return self.classic is not None

    def is_reconciled_to(self, epoch: int) -> bool:
        return self.state is MemberState.STABLE and self.member_epoch == epoch

    def held(self) -> Iterable[tuple[bytes, int]]:
        """All that nobody else may have: what it was given, and what it has not given up yet."""
        for partitions in (self.assigned, self.pending_revocation):
            for topic_id, epochs in partitions.items():
                yield from ((topic_id, partition) for partition in epochs)

    def epoch_of(self, topic_id: bytes, partition: int) -> int | None:
        """In which epoch it got a partition; None where it does not hold it."""
        for partitions in (self.assigned, self.pending_revocation):
            epoch = partitions.get(topic_id, {}).get(partition)
            if epoch is not None:
                return epoch
        return None


def numbers_of(partitions: Partitions) -> Assignment:
    """The same, without epochs."""
    return {topic_id: frozenset(epochs) for topic_id, epochs in partitions.items()}
