"""What every assignor is given and gives. Assignors are plain functions of their arguments, the same on each member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from odradek.protocol.topic_partition import TopicPartition

Assignment: TypeAlias = dict[str, list[TopicPartition]]
"""Member id to partitions; every member is in it."""


class MemberSubscription(Struct, frozen=True):
    """One member as the leader of a rebalance sees it."""

    member_id: str
    topics: tuple[str, ...]
    owned: tuple[TopicPartition, ...] = ()
    """What it still holds, for assignors that look at it."""
    generation: int = -1
    """The generation in which it got them."""
    instance_id: str | None = None

    @property
    def order(self) -> tuple[bool, str]:
        """Static members by their instance id, before all others: so they keep their places through restarts."""
        return (self.instance_id is None, self.instance_id or self.member_id)


class Assignor(Protocol):
    """Shares partitions out among members."""

    name: str
    cooperative: bool
    """Whether members keep what they own while the group rebalances (KIP-429)."""

    def assign(self, members: Sequence[MemberSubscription], partition_counts: Mapping[str, int]) -> Assignment: ...


def subscribers(members: Sequence[MemberSubscription], topic: str) -> list[MemberSubscription]:
    """Those who subscribe to the topic, in the order that all members agree on."""
    return sorted((m for m in members if topic in m.topics), key=lambda m: m.order)


def all_topics(members: Sequence[MemberSubscription], partition_counts: Mapping[str, int]) -> list[str]:
    """The topics that somebody subscribes to and that exist, sorted."""
    return sorted({topic for m in members for topic in m.topics if partition_counts.get(topic)})
