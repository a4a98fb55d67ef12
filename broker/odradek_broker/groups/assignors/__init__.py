"""How the partitions of topics are divided among the members of a group by the coordinator (KIP-848).

An assignor is a plain function from `GroupSpec` to the assignment of each member. It knows nothing of epochs, nor of
who holds what at the moment: it says what should be, and the members get there by themselves.

Invariants, whatever an assignor does
    Every partition of a topic to which somebody has subscribed is given to exactly one member.
    Nobody is given a partition of a topic that it has not subscribed to.
    The same specification yields the same assignment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from odradek_broker.groups.assignors.range import assign_ranges
from odradek_broker.groups.assignors.spec import Assignment, GroupSpec, MemberSpec
from odradek_broker.groups.assignors.uniform import assign_uniformly

Assignor: TypeAlias = Callable[[GroupSpec], dict[str, Assignment]]

ASSIGNORS: dict[str, Assignor] = {"uniform": assign_uniformly, "range": assign_ranges}
"""By the names that Kafka gives them."""

__all__ = ["ASSIGNORS", "Assignment", "Assignor", "GroupSpec", "MemberSpec"]
