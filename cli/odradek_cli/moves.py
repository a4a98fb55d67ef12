"""Moving what a group has committed: from where to where, and what that skips or repeats."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct

from odradek import Admin, Span, TopicPartition
from odradek_cli.failures import Failed
from odradek_cli.places import offsets_at, within
from odradek_cli.when import Place


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
