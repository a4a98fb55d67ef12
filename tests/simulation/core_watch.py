"""What the cores of groups promise, held against what they do: each is looked at whenever it has been told something.

S14  of a share partition: what its head says of it, and who may change what. What a member has acquired only that
     member changes, or its lock's end; what is done with stays so; a delivery count rises by one with each delivery
S15  of what share coordinators store: it begins at the start offset, and within a state epoch neither that nor the
     leader epoch falls, and what is done with stays so
S16  of consumer and share groups: no partition is held by two members, epochs are in order, an instance id has one
     member; members share only what is initialized, and once there is a target, all of it. (All members of a group of
     the simulation want the same topics.)

From inside, because from outside much of this looks like chance: members of different epochs may well believe that they
have the same partition, and a record that comes too early may have come because a leader has changed.

Only in a run that has asked for it: others, in the same process, may tell a core what no world would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import trio
from stability import Violated

from odradek_broker.coordinators.group_partition import GroupPartition
from odradek_broker.groups.consumer.group import ConsumerGroup
from odradek_broker.groups.coordinator import GroupCoordinator
from odradek_broker.groups.kinds import Group
from odradek_broker.groups.share.group import ShareGroup
from odradek_broker.sharing.ranges import Range, Ranges, RecordState
from odradek_broker.sharing.share_partition import Acquired, SharePartition
from odradek_broker.sharing.share_state import ShareState, ShareStateCoordinator

_found: trio.lowlevel.RunVar[list[Violated] | None] = trio.lowlevel.RunVar("what cores have done wrong", None)


def watch_cores() -> None:
    """From now on, to the end of this run of Trio."""
    _found.set([])


def is_watching() -> bool:
    return trio.lowlevel.in_trio_run() and _found.get() is not None


def take_violation() -> Violated | None:
    """What was found first since: raised in the midst of a request it would only have cost a connection."""
    found = _found.get()
    first = found[0] if found else None
    if found is not None:
        found.clear()  # what came of it
    return first


def broken(story: str) -> Violated:
    """A promise is: to be raised, and kept for whoever looks."""
    violated = Violated(story)
    if is_watching() and (found := _found.get()) is not None:
        found.append(violated)
    return violated


# ---------------------------------------------------------------------------------------------------- share partitions


class _Before(NamedTuple):
    """A share partition, when something was about to be done to it."""

    start_offset: int
    end_offset: int
    ranges: list[Range]


def _look_at_shares(core: SharePartition, before: _Before, may_change: Callable[[Range], bool]) -> None:
    """`may_change`: which of the ranges that somebody had acquired may be others now."""
    now = list(core._in_flight)
    _look_at_line(core, now)
    if core.start_offset < before.start_offset or core.end_offset < before.end_offset:
        raise broken(f"S14: {before[:2]} has become {core.start_offset} to {core.end_offset}")
    for was in before.ranges:
        if was.state is RecordState.ACQUIRED and not may_change(was):
            kept = _shorter(was, core.start_offset)
            if was.first_offset < core.start_offset or core._in_flight.within(*kept[:2]) != [kept]:
                raise broken(f"S14: {was} was taken from its member: {now}")
        for each in core._in_flight.within(was.first_offset, was.last_offset):
            _look_at_step(was, each)


def _look_at_line(core: SharePartition, now: list[Range]) -> None:
    """Something is said of each offset in flight; the first is not done with; nothing is delivered too often."""
    at = core.start_offset
    for each in now:
        if each.first_offset != at:
            raise broken(f"S14: nothing is said of offset {at}: {now}")
        if each.state is RecordState.ACQUIRED and not 1 <= each.delivery_count <= core.settings.delivery_count_limit:
            raise broken(f"S14: {each} is acquired once too often")
        at = each.last_offset + 1
    if at != core.end_offset or (now and now[0].state.is_terminal):
        raise broken(f"S14: from {core.start_offset} to {core.end_offset} there is {now}")


def _look_at_step(was: Range, now: Range) -> None:
    if was.state.is_terminal and not now.state.is_terminal:
        raise broken(f"S14: {was} was done with, and is {now}")
    is_delivery = was.state is RecordState.AVAILABLE and now.state is RecordState.ACQUIRED
    if now.delivery_count != was.delivery_count + is_delivery:
        raise broken(f"S14: {was} has become {now}")


def _shorter(each: Range, start_offset: int) -> Range:
    return each._replace(first_offset=max(each.first_offset, start_offset))


def _look_at_given(core: SharePartition, member_id: str, given: list[Acquired]) -> None:
    for first, last, count in given:
        held = [each for each in core._in_flight.within(first, last) if each.member_id == member_id]
        if sum(each.record_count for each in held) != last - first + 1 or {each[3] for each in held} != {count}:
            raise broken(f"S14: {member_id} was given {first} to {last}, and there is {core.in_flight}")
    limit = core.settings.delivery_count_limit
    count = sum(each.last_offset - each.first_offset + 1 for each in given)
    if count > 1 and any(each.delivery_count >= limit for each in given):
        raise broken(f"S14: the last delivery of a record is not its own: {given}")


def _watch_shares(name: str, may_change: Callable[..., Callable[[Range], bool]]) -> None:
    """`may_change`: made of what the method was called with."""
    original = getattr(SharePartition, name)

    def watched(self: SharePartition, *args: Any, **named: Any) -> Any:
        if not is_watching():
            return original(self, *args, **named)
        before = _Before(self.start_offset, self.end_offset, list(self._in_flight))
        result = original(self, *args, **named)
        _look_at_shares(self, before, may_change(*args))
        if name == "acquire":
            _look_at_given(self, args[0], result)
        return result

    setattr(SharePartition, name, watched)


def _of(member_id: str, *_: object) -> Callable[[Range], bool]:
    return lambda was: was.member_id == member_id


_watch_shares("acquire", lambda *_: lambda _: False)
_watch_shares("acknowledge", _of)
_watch_shares("release", _of)
_watch_shares("expire", lambda now_ms: lambda was: was.deadline_ms <= now_ms)
_watch_shares("log_starts_at", lambda offset: lambda was: was.first_offset < offset)


# ----------------------------------------------------------------------------------------------- what is stored of them


def _look_at_stored(was: ShareState | None, now: ShareState | None) -> None:
    if now is None or now is was:
        return
    if any(each.first_offset < now.start_offset for each in now.ranges):
        raise broken(f"S15: {now} begins before its start offset")
    if was is None or now.state_epoch > was.state_epoch:
        return
    if (now.state_epoch, now.leader_epoch, now.start_offset) < (was.state_epoch, was.leader_epoch, was.start_offset):
        raise broken(f"S15: {was} has become {now}")
    kept = Ranges(now.ranges)
    for each in was.ranges:
        if each.state.is_terminal and each.last_offset >= now.start_offset:
            rest = _shorter(each, now.start_offset)
            found = kept.within(*rest[:2])
            if sum(one.record_count for one in found if one.state.is_terminal) != rest.record_count:
                raise broken(f"S15: {rest} was done with, and is {found}")


def _watched_replay(self: ShareStateCoordinator, *args: Any, **named: Any) -> Any:
    if not is_watching():
        return _replay_state(self, *args, **named)
    before = dict(self.states)
    result = _replay_state(self, *args, **named)
    for key in before.keys() | self.states.keys():
        _look_at_stored(before.get(key), self.states.get(key))
    return result


_replay_state = ShareStateCoordinator.replay
ShareStateCoordinator.replay = _watched_replay  # type: ignore[method-assign]


# --------------------------------------------------------------------------------------------------------------- groups


def _look_at_groups(coordinator: GroupCoordinator) -> None:
    for group in coordinator.groups.values():
        look_at_group(group)


def look_at_group(group: Group) -> None:
    if not isinstance(group, ConsumerGroup | ShareGroup):
        return
    epochs = [each.member_epoch for each in group.members.values()]
    if not max(epochs, default=0) <= group.assignment_epoch <= group.epoch:
        raise broken(f"S16: {group.group_id}: {epochs} of {group.assignment_epoch} of {group.epoch}")
    if isinstance(group, ShareGroup):
        known = {(topic_id, index) for topic_id, each in group.initialized.items() for index in each.partitions}
        targets = {each for target in group.targets.values() for each in _pairs(target.items())}
        is_behind = group.epoch != group.assignment_epoch or not group.members
        if not targets <= known or not (is_behind or targets == known):
            raise broken(f"S16: {group.group_id} has {known} to share, and shares {targets}")
        return
    holders: dict[tuple[bytes, int], str] = {}
    for member in group.members.values():
        for held in set(member.held()):
            if holders.setdefault(held, member.member_id) != member.member_id:
                raise broken(f"S16: {member.member_id} and {holders[held]} of {group.group_id} hold {held}")
        if member.instance_id is not None and group.static_members.get(member.instance_id) != member.member_id:
            raise broken(f"S16: {member.instance_id} of {group.group_id} is not {member.member_id}'s")


def _pairs(assignment: Iterable[tuple[bytes, frozenset[int]]]) -> Iterable[tuple[bytes, int]]:
    return ((topic_id, index) for topic_id, indexes in assignment for index in indexes)


def _watched_carry_out(self: GroupPartition, *args: Any) -> None:
    _carry_out(self, *args)
    if is_watching():
        _look_at_groups(self.coordinator)


def _watched_load(self: GroupPartition) -> None:
    _tell(self)
    if is_watching():
        _look_at_groups(self.coordinator)


_carry_out, _tell = GroupPartition._carry_out, GroupPartition._tell_what_is_loaded
GroupPartition._carry_out = _watched_carry_out  # type: ignore[method-assign, assignment]
GroupPartition._tell_what_is_loaded = _watched_load  # type: ignore[method-assign]
