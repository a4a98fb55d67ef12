"""Bugs in groups of the consumer protocol, to be planted; see planted_bugs.py.

That a partition is given before it is free shows from inside only (core_watch.py): members of different epochs may well
believe that they have the same one. That one is taken for free before its member has said so is for
tests/groups/test_consumer_group_walk.py.
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
    planted(
        "a partition is given before it is free",
        "groups/consumer/group.py",
        "        return self._holders.get((topic_id, partition), member_id) == member_id\n",
        "        return True\n",
        needs=GROUPS,
    ),
    planted(
        "only who asks hears of a new target",
        "groups/consumer/target.py",
        "        if targets[each.member_id] != group.targets.get(each.member_id):\n",
        "        if each.member_id == draft.member.member_id:\n",
        needs=GROUPS,
        lasts_s=12.0,
    ),
    planted(
        "a group goes on as if nobody had left",
        "groups/consumer/fence.py",
        "    epoch = group.next_epoch\n    group.history.began(cause, step.now.wall_ms, epoch)\n",
        "    epoch = group.epoch\n    group.history.began(cause, step.now.wall_ms, epoch)\n",
        needs=GROUPS,
        lasts_s=12.0,
    ),
    planted(
        "a group that migrates back leaves members behind",
        "groups/consumer/group.py",
        "            *(records.member_tombstone(self.group_id, each) for each in members),\n",
        "",
        needs=GROUPS,
        lasts_s=20.0,
    ),
    planted(
        "sessions of the consumer protocol end with their coordinator",
        "groups/lifecycle.py",
        "            begin_session(group, consumer.member_id, step)\n",
        "            pass\n",
        (
            "groups/consumer/replay.py",
            "    if not step.has_timer(TimerKind.SESSION, group.group_id, member_id):\n        begin_session(group, member_id, step)\n",
            "",
        ),
        needs=GROUPS,
        lasts_s=20.0,
    ),
]
