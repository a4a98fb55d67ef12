"""Bugs in share groups, to be planted; see planted_bugs.py."""

from __future__ import annotations

from bug import planted

SHARING = ("sharing",)

OF_SHARE_GROUPS = [
    # -------------------------------------------------------------------------------------------- who has which records
    planted(
        "anybody may say what became of a record",
        "sharing/share_partition.py",
        "if any(each.state is not RecordState.ACQUIRED or each.member_id != member_id for each, _ in meant):",
        "if any(each.state is not RecordState.ACQUIRED for each, _ in meant):",
        needs=SHARING,
    ),
    planted(
        "the end of a session gives away what all members have",
        "sharing/share_partition.py",
        "            if each.state is RecordState.ACQUIRED and each.member_id == member_id:\n",
        "            if each.state is RecordState.ACQUIRED:\n",
        needs=SHARING,
    ),
    planted(
        "locks of records end too early",
        "sharing/share_partition.py",
        "if each.state is RecordState.ACQUIRED and each.deadline_ms <= now_ms]",
        "if each.state is RecordState.ACQUIRED and each.deadline_ms <= now_ms + 1_000]",
        needs=SHARING,
    ),
    planted(
        "a delivery does not count",
        "sharing/share_partition.py",
        "            count = each.delivery_count + 1\n",
        "            count = max(each.delivery_count, 1)\n",
        needs=SHARING,
    ),
    planted(
        "a record is delivered beyond its limit",
        "sharing/share_partition.py",
        "        is_last = acquired.delivery_count >= self.settings.delivery_count_limit\n",
        "        is_last = acquired.delivery_count > self.settings.delivery_count_limit\n",
        needs=SHARING,
        lasts_s=20.0,
    ),
    planted(
        "a last delivery takes others with it",
        "sharing/share_partition.py",
        "                return each.first_offset if is_first else each.first_offset - 1\n",
        "                return MAX_OFFSET if is_first else each.first_offset - 1\n",
        needs=SHARING,
        lasts_s=20.0,
    ),
    planted(
        "the start of a share partition passes over records in hand",
        "sharing/share_partition.py",
        "            if not each.state.is_terminal:\n                break\n",
        "            if each.state is RecordState.AVAILABLE:\n                break\n",
        needs=SHARING,
    ),
    planted(
        "what was in hand when state was stored is lost with its leader",
        "sharing/share_partition.py",
        "            self._reach(each.first_offset)\n            self._in_flight.lay(each)\n",
        "            self._in_flight.lay(each)\n",
        needs=SHARING,
    ),
    planted(
        "what was deleted stays in flight",
        "sharing/share_partition.py",
        "        if offset > self.start_offset:\n",
        "        if False:\n",
        needs=(*SHARING, "delete-records"),
        lasts_s=12.0,
    ),
    # ----------------------------------------------------------------------------------------------- between and beside
    planted(
        "an acceptance counts before it is stored",
        "coordinators/share_leader.py",
        "        if core.change_number <= self._stored:\n",
        "        if True:\n",
        needs=SHARING,
        lasts_s=12.0,
    ),
    planted(
        "what changed while changes were stored is taken for stored",
        "coordinators/share_leader.py",
        "            self._stores.reached(changes.number + 1)",
        "            self._stores.reached(self._shared.change_number + 1)",
        needs=SHARING,
        lasts_s=20.0,
    ),
    planted(
        "members share what is not committed",
        "coordinators/share_leader.py",
        "return self.partition.last_stable_offset if settings.is_committed else self.partition.high_watermark",
        "return self.partition.log.log_end_offset",
        needs=SHARING,
    ),
    planted(
        "a leader begins where the log does, whatever is stored",
        "coordinators/share_leader.py",
        "            if start_offset == UNINITIALIZED:\n",
        "            if True:\n",
        needs=SHARING,
    ),
    planted(
        "what is stored of single records is not read back",
        "coordinators/share_leader.py",
        "            ranges = ranges_of(found.state_batches)\n",
        "            ranges = ranges_of(())\n",
        needs=SHARING,
        lasts_s=12.0,
    ),
    # -------------------------------------------------------------------------------------------------- what is stored
    planted(
        "a former leader may write share state",
        "sharing/share_state.py",
        "        if write.leader_epoch < known.leader_epoch:\n            return _nothing(ErrorCode.FENCED_LEADER_EPOCH)\n"
        "        if write.state_epoch",
        "        if write.state_epoch",
        needs=(*SHARING, "leader"),
        lasts_s=20.0,
    ),
    planted(
        "reading share state fences nobody",
        "sharing/share_state.py",
        "        return CoordinatorResult([self._update(key, known, write, now)], known)\n",
        "        return _nothing(known)\n",
        needs=(*SHARING, "leader"),
        lasts_s=20.0,
    ),
    planted(
        "who joins late takes share state back",
        "sharing/share_state.py",
        "        if known is not None and state_epoch == known.state_epoch and start_offset == UNINITIALIZED:\n",
        "        if False:\n",
        needs=SHARING,
    ),
    planted(
        "an update takes the place of the one before",
        "sharing/share_state.py",
        "    ranges = Ranges(known.ranges)\n",
        "    ranges = Ranges(())\n",
        needs=SHARING,
    ),
    planted(
        "a snapshot of share state lacks its records",
        "sharing/share_state.py",
        "        state_batches=batches_of(state.ranges),\n    )\n    return snapshot_record",
        "        state_batches=[],\n    )\n    return snapshot_record",
        needs=SHARING,
    ),
    planted(
        "share state is deleted up to the newest snapshot",
        "sharing/share_state.py",
        "        return min(snapshots, default=min(self._end_offset, high_watermark))",
        "        return min(max(snapshots, default=0), high_watermark)",
        needs=SHARING,
        lasts_s=12.0,
    ),
    # ------------------------------------------------------------------------------------------------------- membership
    planted(
        "a partition without a member is shared by nobody",
        "groups/share/assignor.py",
        "        for turn in range(max(len(members), len(ordered)) if members and ordered else 0):\n",
        "        for turn in range(len(members) if ordered else 0):\n",
        needs=SHARING,
    ),
    planted(
        "a session of a share group never ends",
        "groups/lifecycle.py",
        "            share.session_over(group, timer.member_id, topics, step)\n",
        "            pass\n",
        needs=SHARING,
        lasts_s=12.0,
    ),
    planted(
        "sessions of a share group end with their coordinator",
        "groups/lifecycle.py",
        "            step.set_timer(TimerKind.SESSION, session_ms, group.group_id, member_id)\n",
        "            pass\n",
        needs=SHARING,
        lasts_s=12.0,
    ),
    planted(
        "only who asks hears of a new target of a share group",
        "groups/share/heartbeat.py",
        "        if group.targets.get(member_id) != target\n",
        "        if member_id == member.member_id\n",
        needs=SHARING,
    ),
]
