"""range: of each topic, every subscriber gets a run of neighbouring partitions.

Members are in the same order for each topic, so where topics have equally many partitions and the same subscribers a
member gets the same numbers of each: what two topics say of one key is read by one member. Static members come first,
by the names that they have given themselves, and so have their places again after a restart.
"""

from __future__ import annotations

from odradek_broker.groups.assignors.spec import Assignment, GroupSpec, MemberSpec


def assign_ranges(group: GroupSpec) -> dict[str, Assignment]:
    shares: dict[str, dict[bytes, frozenset[int]]] = {each.member_id: {} for each in group.members}
    subscribers: dict[bytes, list[str]] = {}
    for member in sorted(group.members, key=_place):
        for topic_id in member.topics:
            subscribers.setdefault(topic_id, []).append(member.member_id)
    for topic_id, member_ids in subscribers.items():
        each, extra = divmod(group.partition_counts[topic_id], len(member_ids))
        start = 0
        for number, member_id in enumerate(member_ids):
            end = start + each + (number < extra)
            if start < end:
                shares[member_id][topic_id] = frozenset(range(start, end))
            start = end
    return dict(shares)


def _place(member: MemberSpec) -> tuple[bool, str]:
    is_static = member.instance_id is not None
    return not is_static, member.instance_id if member.instance_id is not None else member.member_id
