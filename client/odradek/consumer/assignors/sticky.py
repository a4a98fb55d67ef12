"""Sticky: as even as subscriptions allow, and as little moved as that allows (KIP-54, KIP-429).

    1. everybody keeps what they own and still subscribe to; of two claims the newer generation's counts, and where both
       are of the same one, neither does
    2. what nobody has goes to whoever has least
    3. while somebody has two more than another who could take one of them, one moves

The cooperative form then takes back what would go from one member to another: its owner gives it up in this rebalance,
and only the next one, which follows at once, hands it on. So no partition is ever held by two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odradek.consumer.assignors.base import Assignment, MemberSubscription, all_topics, subscribers
from odradek.protocol.topic_partition import TopicPartition


class StickyAssignor:
    """The eager form: everybody has given up everything before it is shared out."""

    name = "sticky"
    cooperative = False

    def assign(self, members: Sequence[MemberSubscription], partition_counts: Mapping[str, int]) -> Assignment:
        return _Balance(members, partition_counts).assignment()


class CooperativeStickyAssignor:
    """Members keep what they own during the rebalance."""

    name = "cooperative-sticky"
    cooperative = True

    def assign(self, members: Sequence[MemberSubscription], partition_counts: Mapping[str, int]) -> Assignment:
        wanted = _Balance(members, partition_counts).assignment()
        owner = {partition: member.member_id for member in members for partition in member.owned}
        return {
            member_id: [p for p in partitions if owner.get(p, member_id) == member_id]
            for member_id, partitions in wanted.items()
        }


class _Balance:
    """One computation."""

    def __init__(self, members: Sequence[MemberSubscription], partition_counts: Mapping[str, int]) -> None:
        self._members = sorted(members, key=lambda member: member.order)
        self._place = {member.member_id: place for place, member in enumerate(self._members)}
        topics = all_topics(members, partition_counts)
        self._partitions = [TopicPartition(topic, i) for topic in topics for i in range(partition_counts[topic])]
        self._takers = {topic: [m.member_id for m in subscribers(members, topic)] for topic in topics}
        self._has: dict[str, set[TopicPartition]] = {member.member_id: set() for member in self._members}

    def assignment(self) -> Assignment:
        self._keep_owned()
        self._give_out_unowned()
        self._even_out()
        return {member_id: sorted(partitions) for member_id, partitions in self._has.items()}

    def _keep_owned(self) -> None:
        exists = set(self._partitions)
        claims: dict[TopicPartition, list[MemberSubscription]] = {}
        for member in self._members:
            for partition in member.owned:
                if partition in exists and partition.topic in member.topics:
                    claims.setdefault(partition, []).append(member)
        for partition, claimants in claims.items():
            newest = max(member.generation for member in claimants)
            rightful = [member for member in claimants if member.generation == newest]
            if len(rightful) == 1:
                self._has[rightful[0].member_id].add(partition)

    def _give_out_unowned(self) -> None:
        owned = set().union(*self._has.values())
        # Those with the fewest possible takers first: they have the least choice.
        free = sorted((p for p in self._partitions if p not in owned), key=lambda p: (len(self._takers[p.topic]), p))
        for partition in free:
            self._has[self._least(self._takers[partition.topic])].add(partition)

    def _least(self, member_ids: Sequence[str]) -> str:
        return min(member_ids, key=lambda member_id: (len(self._has[member_id]), self._place[member_id]))

    def _even_out(self) -> None:
        """One move after the other, from whoever has most. Each makes the sum of squares smaller, so this ends."""
        while self._move_one():
            pass

    def _move_one(self) -> bool:
        for giver in sorted(self._has, key=lambda member_id: (-len(self._has[member_id]), self._place[member_id])):
            takers = {topic: self._least(self._takers[topic]) for topic in {p.topic for p in self._has[giver]}}
            for partition in sorted(self._has[giver], reverse=True):
                taker = takers[partition.topic]
                if len(self._has[taker]) + 1 < len(self._has[giver]):
                    self._has[giver].remove(partition)
                    self._has[taker].add(partition)
                    return True
        return False
