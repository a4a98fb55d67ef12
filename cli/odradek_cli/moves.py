"""Moving what a group has committed: from where to where, and what that skips or repeats."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from msgspec import Struct

from odradek import Admin, GroupNotFound, Span, TopicPartition
from odradek.admin import GroupDescription
from odradek_cli.command import UsageError
from odradek_cli.failures import Failed
from odradek_cli.places import offsets_at, within
from odradek_cli.when import BEGINNING, END, Place, parse_place


class Target(Struct, frozen=True):
    """Where to move to: a place, or so many offsets on (or, below 0, back) from what is committed."""

    place: Place | None = None
    shift: int = 0


class Move(Struct, frozen=True):
    """Of one partition."""

    partition: TopicPartition
    before: int | None
    """None where the group has committed nothing."""
    after: int
    skips: int = 0
    """Records that the group would have got and will not."""
    repeats: int = 0
    """Records that the group will get once more."""

    def row(self, group: str) -> dict[str, Any]:
        return {
            "group": group,
            "topic": self.partition.topic,
            "partition": self.partition.partition,
            "from": self.before,
            "to": self.after,
            "skips": self.skips,
            "repeats": self.repeats,
        }


COLUMNS = ["group", "topic", "partition", "from", "to", "skips", "repeats"]


def target_of(
    to_time: str | None, to_offset: int | None, shift: int | None, to_earliest: bool, to_latest: bool
) -> Target:
    """What the options say. Raises UsageError unless it is one place."""
    given: list[Target] = []
    if to_time is not None:
        try:
            place = parse_place(to_time, time.time_ns() // 1_000_000)
        except ValueError as error:
            raise UsageError(f"--to-time {error}") from None
        if place.timestamp_ms is None:
            raise UsageError(f"--to-time {to_time}: a time, such as 2026-01-31T12:00 or -2h")
        given.append(Target(place))
    if to_offset is not None:
        given.append(Target(Place(offset=to_offset)))
    if shift is not None:
        given.append(Target(shift=shift))
    given += [Target(place) for place, is_meant in ((BEGINNING, to_earliest), (END, to_latest)) if is_meant]
    if len(given) != 1:
        raise UsageError("say where to: one of --to-time, --to-offset, --shift, --to-earliest, --to-latest")
    return given[0]


async def check_nobody_is_in(
    describe: Callable[[str], Awaitable[GroupDescription]], group: str, *, may_be_new: bool
) -> None:
    """A group that is not there yet may be given offsets to begin at. Raises Failed, GroupNotFound."""
    try:
        described = await describe(group)
    except GroupNotFound:
        if not may_be_new:
            raise
        return
    if described.members:
        raise Failed(f"group {group} has {len(described.members)} members: stop them first")


async def moves(
    admin: Admin, partitions: Collection[TopicPartition], committed: Mapping[TopicPartition, int], target: Target
) -> list[Move]:
    """What becomes of these partitions. An offset that a partition does not have is its beginning, or its end."""
    after = await _targets(admin, partitions, committed, target)
    spans = {
        each: Span(min(committed[each], after[each]), max(committed[each], after[each]))
        for each in partitions
        if each in committed
    }
    counted = await admin.count_records(spans) if spans else {}
    found_moves = []
    for each in sorted(partitions):
        before, count = committed.get(each), counted[each].records if each in counted else 0
        is_forwards = before is not None and after[each] > before
        found_moves.append(Move(each, before, after[each], count if is_forwards else 0, 0 if is_forwards else count))
    return found_moves


async def _targets(
    admin: Admin, partitions: Collection[TopicPartition], committed: Mapping[TopicPartition, int], target: Target
) -> dict[TopicPartition, int]:
    """Raises Failed where there is nothing to be shifted."""
    if target.place is not None:
        return await offsets_at(admin, partitions, target.place)
    lacking = [each for each in partitions if each not in committed]
    if lacking:
        raise Failed(f"the group has committed nothing in {lacking[0]} that could be shifted")
    shifted = {each: committed[each] + target.shift for each in partitions}
    return await within(admin, shifted, await admin.end_offsets(partitions))
