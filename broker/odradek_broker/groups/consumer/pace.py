"""When a member is to come again.

Members hear of anything only when they send a heartbeat, so how soon a group is settled is a matter of when they do.
Each answer says when that is to be (`heartbeat_interval_ms`):

    when a new target may be computed               while one is due
    soon, and more and more rarely as time goes by  while the member waits for partitions that others still hold
    when the longest silence becomes a death        where that is before the next regular heartbeat
    after the interval of the group                 otherwise, and never later

All members together are not made to send more than HASTY_PER_S heartbeats a second by that: in a crowd each comes more
rarely, and those that wait for the same moment come one after the other from then on.
"""

from __future__ import annotations

from zlib import crc32

from odradek_broker.groups.consumer.draft import Draft
from odradek_broker.groups.consumer.group import NEVER_MS
from odradek_broker.groups.consumer.member import ConsumerMember, MemberState
from odradek_broker.groups.timers import TimerKind

SOONEST_MS = 100
HASTY_PER_S = 500
NO_HURRY_MS = 2**31 - 1
PATIENCE = 4
"""Who has waited for so long waits for a fraction of that until it asks again: one in PATIENCE."""


def next_heartbeat_ms(draft: Draft, moved: ConsumerMember) -> int:
    """Until the next heartbeat of this member, which has come so far by this one."""
    group, step = draft.group, draft.step
    regular_ms = step.settings.of_consumers(group.group_id).heartbeat_interval_ms
    soonest_ms = max(SOONEST_MS, 1000 * len(group.members) // HASTY_PER_S)
    turn_ms = crc32(moved.member_id.encode()) % (soonest_ms - SOONEST_MS + 1)
    wanted_ms = min(_until_a_death_ms(draft) + turn_ms, _until_there_is_more_ms(draft, moved, turn_ms), regular_ms)
    return min(max(wanted_ms, soonest_ms), regular_ms)


def _until_a_death_ms(draft: Draft) -> int:
    group, step = draft.group, draft.step
    silent_id = group.longest_silent(draft.member.member_id)
    if silent_id is None or not step.has_timer(TimerKind.SESSION, group.group_id, silent_id):
        return NO_HURRY_MS
    return step.left_ms(TimerKind.SESSION, group.group_id, silent_id) + 1


def _until_there_is_more_ms(draft: Draft, moved: ConsumerMember, turn_ms: int) -> int:
    """Until there may be a target, or partitions, that the member does not know of yet."""
    is_due = draft.epoch != draft.assignment_epoch
    if not is_due and moved.state is not MemberState.UNRELEASED_PARTITIONS:
        return NO_HURRY_MS
    since_ms = _since_target_ms(draft)
    if since_ms < 0:
        return NO_HURRY_MS  # the clock has been set back: nobody hurries for as long as that takes
    if is_due:
        interval_ms = draft.step.settings.of_consumers(draft.group.group_id).assignment_interval_ms
        return interval_ms - since_ms + 1 + turn_ms
    return since_ms // PATIENCE


def _since_target_ms(draft: Draft) -> int:
    is_new = draft.assignment_epoch != draft.group.assignment_epoch
    if is_new or draft.group.assigned_at_ms == NEVER_MS:
        return 0
    return draft.step.now.wall_ms - draft.group.assigned_at_ms
