"""ShareGroup: the members of a share group, and how far they are (KIP-932).

    Empty     no members
    Stable    there are some: nobody waits for anybody, so there is nothing in between

The group's epoch rises when who is in it, what they want, the topics, or what can be shared of them change. The
assignment's epoch is that of the group from which the target was computed; a member's that of the target it was told.

Invariants
    Members are assigned only share partitions that are initialized.
    The assignment's epoch is never above the group's, nor a member's above the assignment's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import ClassVar

from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.groups.assignors.spec import Assignment
from odradek_broker.groups.history import History
from odradek_broker.groups.kinds import GroupKind
from odradek_broker.groups.offsets import GroupOffsets
from odradek_broker.groups.share import records
from odradek_broker.groups.share.member import ShareMember, ShareTopic
from odradek_broker.groups.topics import NO_TOPICS_HASH

EMPTY, STABLE = "Empty", "Stable"
PROTOCOL_TYPE = "share"


class ShareGroup:
    """One share group."""

    kind: ClassVar[GroupKind] = GroupKind.SHARE
    protocol_type = PROTOCOL_TYPE
    empty_since_ms = -1
    is_awaited = False

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.offsets = GroupOffsets()
        """None: who shares commits no offsets."""
        self.history = History()
        """Stays empty: where nobody waits for anybody there are no rebalances."""
        self.epoch = 0
        self.metadata_hash = NO_TOPICS_HASH
        self.assignment_epoch = 0
        self.members: dict[str, ShareMember] = {}
        self.targets: dict[str, Assignment] = {}
        self.initialized: dict[bytes, ShareTopic] = {}
        self.recorded = False

    @property
    def state(self) -> str:
        return EMPTY if self.is_empty else STABLE

    @property
    def is_empty(self) -> bool:
        return not self.members

    @property
    def is_void(self) -> bool:
        return not (self.members or self.targets or self.recorded or self.initialized)

    def subscribed_topics(self) -> frozenset[str]:
        return frozenset().union(*(each.subscribed_topic_names for each in self.members.values()))

    def with_initialized(self, more: Mapping[bytes, ShareTopic]) -> dict[bytes, ShareTopic]:
        """What is initialized, and more of it."""
        merged = dict(self.initialized)
        for topic_id, topic in more.items():
            known = merged.get(topic_id)
            partitions = topic.partitions if known is None else known.partitions | topic.partitions
            merged[topic_id] = ShareTopic(topic.name, partitions)
        return merged

    def disband(self) -> None:
        """Have no members any longer. The epoch, and what is initialized, stay."""
        self.members, self.targets = {}, {}
        self.epoch += 1
        self.assignment_epoch = self.epoch

    def tombstones(self) -> list[CoordinatorRecord]:
        """In the order in which a coordinator, also Kafka's, can replay them."""
        written: Iterable[str] = dict.fromkeys([*self.members, *self.targets])
        members: Collection[str] = list(self.members)
        return [
            *(records.current_assignment_tombstone(self.group_id, each) for each in members),
            *(records.target_tombstone(self.group_id, each) for each in written),
            records.target_metadata_tombstone(self.group_id),
            *(records.member_tombstone(self.group_id, each) for each in members),
            records.initialized_tombstone(self.group_id),
            records.epoch_tombstone(self.group_id),
        ]
