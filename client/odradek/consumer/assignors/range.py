"""Range: of each topic, each subscriber gets one contiguous run of partitions, the first ones one more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odradek.consumer.assignors.base import Assignment, MemberSubscription, all_topics, subscribers
from odradek.protocol.topic_partition import TopicPartition


class RangeAssignor:
    """Partition n of topics with equally many partitions goes to the same member."""

    name = "range"
    cooperative = False

    def assign(self, members: Sequence[MemberSubscription], partition_counts: Mapping[str, int]) -> Assignment:
        assignment: Assignment = {member.member_id: [] for member in members}
        for topic in all_topics(members, partition_counts):
            takers = subscribers(members, topic)
            each, extra = divmod(partition_counts[topic], len(takers))
            begin = 0
            for place, taker in enumerate(takers):
                end = begin + each + (place < extra)
                assignment[taker.member_id] += [TopicPartition(topic, index) for index in range(begin, end)]
                begin = end
        return assignment
