"""Moving what a group has committed: from where to where, and what that skips or repeats."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct

from odradek import Admin, Span, TopicPartition
from odradek_cli.failures import Failed
from odradek_cli.when import END, Place


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


def parse_partitions(text: str) -> tuple[str, list[int]]:
    """TOPIC, or TOPIC:0,2; no numbers stand for all partitions. Raises ValueError."""
    topic, colon, numbers = text.partition(":")
    if not topic or (colon and not all(each.isdecimal() for each in numbers.split(","))):
        raise ValueError(f"{text} is no TOPIC or TOPIC:0,2")
    return topic, [int(each) for each in numbers.split(",")] if colon else []


async def named_partitions(admin: Admin, named: Collection[tuple[str, list[int]]]) -> list[TopicPartition]:
    """The partitions that are meant. Raises Failed where a topic has no such partition, UnknownTopicOrPartition."""
    described = await admin.describe_topics(*(topic for topic, _ in named)) if named else {}
    found: list[TopicPartition] = []
    for topic, wanted in named:
        there = {each.index for each in described[topic].partitions}
        unknown = set(wanted) - there
        if unknown:
            raise Failed(f"{topic} has no partition {min(unknown)}")
        found += [TopicPartition(topic, index) for index in sorted(wanted or there)]
    return found


async def moves(
    admin: Admin, partitions: Collection[TopicPartition], committed: Mapping[TopicPartition, int], target: Target
) -> list[Move]:
    """What becomes of these partitions. An offset that a partition does not have is its beginning, or its end."""
    begins, ends = await admin.beginning_offsets(partitions), await admin.end_offsets(partitions)
    wanted: dict[TopicPartition, int] = {}
    if target.place is None:
        lacking = [each for each in partitions if each not in committed]
        if lacking:
            raise Failed(f"the group has committed nothing in {lacking[0]} that could be shifted")
        wanted = {each: committed[each] + target.shift for each in partitions}
    elif target.place.timestamp_ms is not None:
        found = await admin.list_offsets(dict.fromkeys(partitions, target.place.timestamp_ms))
        wanted = {each: answer.offset if answer.offset >= 0 else ends[each] for each, answer in found.items()}
    else:
        wanted = dict(ends) if target.place is END else dict.fromkeys(partitions, target.place.offset or 0)
    after = {each: min(max(begins[each], wanted[each]), ends[each]) for each in partitions}
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
