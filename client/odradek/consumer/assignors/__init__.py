"""How the partitions of a group's topics are shared out among its members, on the member that leads the rebalance."""

from __future__ import annotations

from odradek.consumer.assignors.base import Assignment, Assignor, MemberSubscription
from odradek.consumer.assignors.range import RangeAssignor
from odradek.consumer.assignors.round_robin import RoundRobinAssignor
from odradek.consumer.assignors.sticky import CooperativeStickyAssignor, StickyAssignor

ASSIGNORS: dict[str, Assignor] = {
    assignor.name: assignor
    for assignor in (RangeAssignor(), RoundRobinAssignor(), StickyAssignor(), CooperativeStickyAssignor())
}

__all__ = ["ASSIGNORS", "Assignment", "Assignor", "MemberSubscription"]
