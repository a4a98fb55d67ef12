"""Bugs in groups of the consumer protocol, to be planted; see planted_bugs.py.

That a partition is given before it is free is not among them: members of different epochs may well believe that they
have the same one, so from outside nothing is wrong. tests/groups/test_consumer_group_walk.py looks for that.
"""

from __future__ import annotations

from bug import planted

GROUPS = ("groups",)

OF_CONSUMER_GROUPS = [
    planted(
        "a partition that was let go is never free",
        "groups/consumer/group.py",
        "                del self._holders[key]\n",
        "                pass\n",
        needs=GROUPS,
    ),
    planted(
        "a session of the consumer protocol never ends",
        "groups/lifecycle.py",
        "            fence.session_over(group, timer.member_id, topics, step)",
        "            pass",
        needs=GROUPS,
    ),
    planted(
        "offsets do not go over with a group",
        "groups/table.py",
        "            group.offsets = former.offsets\n",
        "            pass\n",
        needs=GROUPS,
    ),
]
