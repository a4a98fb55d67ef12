"""What happens to groups without anybody asking: time passes, a coordinator begins, a group cannot be trusted."""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek_broker.groups import rebalance
from odradek_broker.groups.commit import expire_offsets
from odradek_broker.groups.consumer import fence
from odradek_broker.groups.consumer.group import ConsumerGroup
from odradek_broker.groups.consumer.timeouts import begin_session, cancel_timers, rebalance_clock
from odradek_broker.groups.group import ClassicGroup, GroupState
from odradek_broker.groups.history import Cause
from odradek_broker.groups.kinds import Group
from odradek_broker.groups.share import heartbeat as share
from odradek_broker.groups.share.group import ShareGroup
from odradek_broker.groups.step import Step
from odradek_broker.groups.timers import Timer, TimerKind
from odradek_broker.groups.topics import Topics


def time_over(group: Group, timer: Timer, topics: Topics, step: Step) -> None:
    """Do what a timer was set for."""
    if isinstance(group, ShareGroup):
        if timer.kind is TimerKind.SESSION:
            share.session_over(group, timer.member_id, topics, step)
    elif timer.kind is TimerKind.EXPIRY:
        expire_offsets(group, step)
    elif isinstance(group, ConsumerGroup):
        if timer.kind is TimerKind.SESSION:
            fence.session_over(group, timer.member_id, topics, step)
        elif timer.kind in (TimerKind.REBALANCE, TimerKind.SYNC):
            fence.rebalance_time_over(group, timer.member_id, topics, step)
    elif isinstance(group, ClassicGroup):
        if timer.kind is TimerKind.SESSION:
            rebalance.session_over(group, timer.member_id, step)
        elif timer.kind is TimerKind.REBALANCE:
            rebalance.rebalance_time_over(group, step)
        elif timer.kind is TimerKind.SYNC:
            rebalance.sync_time_over(group, step)
        elif timer.kind is TimerKind.DOWNGRADE and group.state is GroupState.STABLE:
            rebalance.prepare_rebalance(group, Cause("the last member of the consumer protocol has gone"), step)


def begin_sessions(group: Group, step: Step) -> None:
    """All that there is on record has been replayed: from now on members have to be heard of."""
    if isinstance(group, ConsumerGroup):
        for consumer in group.members.values():
            begin_session(group, consumer.member_id, step)
            rebalance_clock(group, consumer, step)
    elif isinstance(group, ShareGroup):
        session_ms = step.settings.share_session_ms(group.group_id)
        for member_id in group.members:
            step.set_timer(TimerKind.SESSION, session_ms, group.group_id, member_id)
    elif isinstance(group, ClassicGroup):
        for member in group.members.values():
            rebalance.set_session(group, member, step)
        if not group.has_leader_on_record:
            step.set_timer(TimerKind.DOWNGRADE, 0, group.group_id)


def disband(group: Group, step: Step) -> None:
    """Let a group whose state cannot be trusted go back to its offsets. Its members are told to join again."""
    if isinstance(group, ConsumerGroup):
        for member_id in group.members:
            cancel_timers(group.group_id, member_id, step)
        group.disband()
    elif isinstance(group, ShareGroup):
        for member_id in group.members:
            step.cancel_timer(TimerKind.SESSION, group.group_id, member_id)
        group.disband()
    elif isinstance(group, ClassicGroup):
        for member in group.members.values():
            rebalance.dismiss(group, member, step, ErrorCode.UNKNOWN_MEMBER_ID)
        for member_id in group.reserved:
            step.cancel_timer(TimerKind.SESSION, group.group_id, member_id)
        for kind in (TimerKind.REBALANCE, TimerKind.SYNC):
            step.cancel_timer(kind, group.group_id)
        group.disband(step.now.wall_ms)
