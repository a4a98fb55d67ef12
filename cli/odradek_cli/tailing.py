"""What `odradek tail` does: it shows records of one or more topics, merged by time, as they are and as they come."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from itertools import groupby
from operator import attrgetter

from msgspec import Struct

from odradek import Admin, Consumer, TopicPartition
from odradek.admin import OpenTransaction
from odradek.record import Marker
from odradek_cli.failures import Failed
from odradek_cli.filters import Filter, Raw
from odradek_cli.merge import Merge
from odradek_cli.rendering import Render
from odradek_cli.schemas.registry import Registry
from odradek_cli.session import security_for
from odradek_cli.when import END, Place

POLL_SECONDS = 0.2
POLL_RECORDS = 1000
"""So many of 1 KB are still in the processor's cache when they are written; five times as many cost a quarter more."""
FETCH_BYTES = 4 * 1024 * 1024
"""Of one partition at once: with several times what is usual, a backlog costs fewer round trips."""

_place_of = attrgetter("topic", "partition")


class Wish(Struct, frozen=True):
    """What the command line asks for."""

    topics: tuple[str, ...]
    """Where there is none: all in which the group has committed something."""
    group: str | None
    """Begin where this group would go on."""
    start: Place
    until: Place | None
    last: int | None
    follow: bool
    only_committed: bool
    filters: tuple[Filter, ...]
    render: Render
    show_open: Callable[[OpenTransaction], bytes] | None
    """Markers too, and, once all that was there at first is shown, each transaction that is open."""
    registry: str | None


async def show_records(wish: Wish, bootstrap: str) -> None:
    """Return when all is shown, or never. Raises OdradekError, Failed."""
    schemas = None if wish.registry is None else Registry(wish.registry)
    partitions, nexts = await _what_is_meant(wish, bootstrap)
    async with Consumer(
        bootstrap,
        security=security_for(bootstrap),
        start="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
        isolation_level="read_committed" if wish.only_committed else "read_uncommitted",
        show_markers=wish.show_open is not None,
    ) as consumer:
        await consumer.assign(partitions)
        async with schemas or nullcontext():
            await _show(consumer, partitions, nexts, wish, schemas, bootstrap)


async def _what_is_meant(wish: Wish, bootstrap: str) -> tuple[list[TopicPartition], dict[TopicPartition, int]]:
    """Partitions, and where the group would go on, as far as it has committed anything."""
    async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
        committed = {} if wish.group is None else await admin.group_offsets(wish.group)
        names = wish.topics or sorted({each.topic for each in committed})
        if not names:
            raise Failed(f"group {wish.group} has committed nothing; say which topics are meant")
        described = await admin.describe_topics(*names)
    partitions = [TopicPartition(name, each.index) for name, found in described.items() for each in found.partitions]
    return partitions, {each: committed[each].offset for each in partitions if each in committed}


async def _show(
    consumer: Consumer[bytes | None, bytes | None],
    partitions: Sequence[TopicPartition],
    nexts: dict[TopicPartition, int],
    wish: Wish,
    schemas: Registry | None,
    bootstrap: str,
) -> None:
    """`nexts`: where the group would go on, as far as it has committed anything."""
    ends = await consumer.end_offsets(*partitions)
    starts = await _starts(consumer, partitions, ends, wish)
    if wish.group is not None:
        begins = await consumer.beginning_offsets(*partitions)
        starts = {each: min(max(begins[each], nexts.get(each, 0)), ends[each]) for each in partitions}
    for partition, offset in starts.items():
        consumer.seek(partition, offset)
    merge = Merge({partition: end if starts[partition] < end else 0 for partition, end in ends.items()})
    newest: deque[Raw] | None = None if wish.last is None else deque(maxlen=wish.last)
    paused: list[TopicPartition] = []
    show_open = wish.show_open
    while merge.behind or wish.follow or show_open is not None:
        _sort_in(merge, await consumer.poll(POLL_RECORDS, timeout_s=POLL_SECONDS), wish.until)
        for partition in list(merge.behind):
            merge.reached(partition, consumer.position(partition))
        matching = await _wished_for(merge.take(), wish, schemas)
        if newest is not None:
            newest.extend(matching)
            matching = ()
            if not merge.behind:
                matching, newest = list(newest), None
        if matching:
            _write(wish.render(matching))
        if show_open is not None and not merge.behind:
            for found in await _open_transactions(partitions, bootstrap):
                _write(show_open(found))
            show_open = None
        consumer.resume(*paused)
        paused = merge.crowded()
        if paused:
            consumer.pause(*paused)


async def _open_transactions(partitions: Sequence[TopicPartition], bootstrap: str) -> list[OpenTransaction]:
    async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
        return await admin.open_transactions(partitions)


async def _wished_for(records: Sequence[Raw], wish: Wish, schemas: Registry | None) -> Sequence[Raw]:
    if schemas is not None:
        await schemas.learn(records)
        records = [schemas.readable(record) for record in records]
    if wish.filters:
        records = [each for each in records if isinstance(each, Marker) or all(f(each) for f in wish.filters)]
    return records


def _sort_in(merge: Merge, records: Sequence[Raw], until: Place | None) -> None:
    for partition, found in _runs(records, merge):
        if until is not None and any(_is_beyond(record, until) for record in found):
            merge.behind.discard(partition)
            found = [record for record in found if not _is_beyond(record, until)]
        if found:
            merge.add(partition, found)


def _runs(records: Sequence[Raw], merge: Merge) -> Iterable[tuple[TopicPartition, Sequence[Raw]]]:
    """Records that follow each other in one partition."""
    if merge.only is not None:
        return [(merge.only, records)] if records else []
    return [(TopicPartition(*place), list(group)) for place, group in groupby(records, _place_of)]


def _write(text: bytes) -> None:
    """Blocks where the reader is slow: there is nothing else to do here meanwhile, and Ctrl-C interrupts it."""
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


async def _starts(
    consumer: Consumer[bytes | None, bytes | None],
    partitions: Sequence[TopicPartition],
    ends: dict[TopicPartition, int],
    wish: Wish,
) -> dict[TopicPartition, int]:
    """The first offset to read, for each partition."""
    if wish.last is not None and wish.start is END:
        beginnings = await consumer.beginning_offsets(*partitions)
        reach = 0 if wish.filters else wish.last
        return {p: max(beginnings[p], ends[p] - reach if reach else 0) for p in partitions}
    if wish.start.timestamp_ms is not None:
        found = await consumer.offsets_for_time(dict.fromkeys(partitions, wish.start.timestamp_ms))
        return {p: found[p].offset if found[p].offset >= 0 else ends[p] for p in partitions}
    if wish.start.offset is None:
        return dict(ends)
    beginnings = await consumer.beginning_offsets(*partitions)
    return {p: min(max(beginnings[p], wish.start.offset), ends[p]) for p in partitions}


def _is_beyond(record: Raw, until: Place) -> bool:
    if until.timestamp_ms is not None:
        return record.timestamp > until.timestamp_ms
    return until.offset is not None and record.offset >= until.offset
