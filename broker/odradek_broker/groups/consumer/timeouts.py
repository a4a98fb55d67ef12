"""Members that are silent for too long, or take too long to give up what they have to."""

from __future__ import annotations

from odradek_broker.groups.consumer.group import ConsumerGroup
from odradek_broker.groups.consumer.member import ConsumerMember, MemberState
from odradek_broker.groups.step import Step
from odradek_broker.groups.timers import TimerKind


def begin_session(group: ConsumerGroup, member_id: str, step: Step) -> None:
    """Begin the member's session anew; one that speaks the classic protocol has said how long it is."""
    length_ms = session_ms(group, group.members.get(member_id), step)
    step.set_timer(TimerKind.SESSION, length_ms, group.group_id, member_id)
    group.hear_of(member_id)


def session_ms(group: ConsumerGroup, member: ConsumerMember | None, step: Step) -> int:
    if member is not None and member.classic is not None:
        return member.classic.session_timeout_ms
    return step.settings.of_consumers(group.group_id).session_timeout_ms


def rebalance_clock(group: ConsumerGroup, member: ConsumerMember, step: Step) -> None:
    """Let it run as long as the member has something to give up; of classic members other clocks take care."""
    if member.uses_classic_protocol:
        return
    if member.state is MemberState.UNREVOKED_PARTITIONS:
        step.set_timer(TimerKind.REBALANCE, max(member.rebalance_timeout_ms, 0), group.group_id, member.member_id)
    else:
        step.cancel_timer(TimerKind.REBALANCE, group.group_id, member.member_id)


def cancel_timers(group_id: str, member_id: str, step: Step) -> None:
    for kind in (TimerKind.SESSION, TimerKind.REBALANCE, TimerKind.SYNC):
        step.cancel_timer(kind, group_id, member_id)
