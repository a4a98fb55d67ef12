"""Round robin: all partitions of all topics, dealt out one by one to whoever subscribes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odradek.consumer.assignors.base import Assignment, MemberSubscription, all_topics
from odradek.protocol.topic_partition import TopicPartition


class RoundRobinAssignor:
    """A member that does not subscribe to the topic is passed over, and keeps its turn."""

    name = "roundrobin"
    cooperative = False

    def assign(self, members: Sequence[MemberSubscription], partition_counts: Mapping[str, int]) -> Assignment:
        assignment: Assignment = {member.member_id: [] for member in members}
        circle = sorted(members, key=lambda member: member.order)
        turn = 0
        for topic in all_topics(members, partition_counts):
            for index in range(partition_counts[topic]):
                while topic not in circle[turn % len(circle)].topics:
                    turn += 1
                assignment[circle[turn % len(circle)].member_id].append(TopicPartition(topic, index))
                turn += 1
        return assignment
