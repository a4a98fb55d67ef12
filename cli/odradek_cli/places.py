"""Partitions and places in them, as they are named on the command line, looked up."""

from __future__ import annotations

from collections.abc import Collection

from odradek import Admin, TopicPartition
from odradek_cli.command import UsageError
from odradek_cli.failures import Failed
from odradek_cli.when import END, Place


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


async def offsets_at(admin: Admin, partitions: Collection[TopicPartition], place: Place) -> dict[TopicPartition, int]:
    """The offset of a place in each partition. One that a partition does not have is its beginning, or its end."""
    ends = await admin.end_offsets(partitions)
    if place is END:
        return ends
    if place.timestamp_ms is not None:
        found = await admin.list_offsets(dict.fromkeys(partitions, place.timestamp_ms))
        return {each: answer.offset if answer.offset >= 0 else ends[each] for each, answer in found.items()}
    return await within(admin, dict.fromkeys(partitions, place.offset or 0), ends)


async def within(
    admin: Admin, offsets: dict[TopicPartition, int], ends: dict[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """The same offsets, or the beginning or the end next to them."""
    begins = await admin.beginning_offsets(offsets)
    return {each: min(max(begins[each], offset), ends[each]) for each, offset in offsets.items()}


def named_by(topics: list[str] | None) -> list[tuple[str, list[int]]]:
    """What TOPIC and TOPIC:0,2 name. Raises UsageError."""
    try:
        return [parse_partitions(each) for each in topics or ()]
    except ValueError as error:
        raise UsageError(str(error)) from None
