"""Who of a share group's members fetches which partitions. Kafka: SimpleAssignor.

Partitions may be many members', so nobody has to give anything up before another may have it.

Invariants
    Every partition of a topic has a member, and every member that subscribes to the topic has a partition of it.
    No member of a topic has more than one partition more than another; nor does a partition have members.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from odradek_broker.groups.assignors.spec import Assignment

NAME = "simple"


def assign(
    subscriptions: Mapping[str, Collection[bytes]], partitions: Mapping[bytes, Collection[int]]
) -> dict[str, Assignment]:
    """`subscriptions`: by member, the topics it wants; `partitions`: of each topic, those that can be shared."""
    assigned: dict[str, dict[bytes, set[int]]] = {member_id: {} for member_id in subscriptions}
    for topic_id, indexes in partitions.items():
        members = sorted(member_id for member_id, wanted in subscriptions.items() if topic_id in wanted)
        ordered = sorted(indexes)
        for turn in range(max(len(members), len(ordered)) if members and ordered else 0):
            held = assigned[members[turn % len(members)]].setdefault(topic_id, set())
            held.add(ordered[turn % len(ordered)])
    return {
        member_id: {topic_id: frozenset(held) for topic_id, held in topics.items()}
        for member_id, topics in assigned.items()
    }
