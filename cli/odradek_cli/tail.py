"""`odradek tail`: records of one or more topics, merged by time, as they are and as they come."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Literal

from msgspec import Struct

from odradek import Admin, Consumer, TopicPartition
from odradek.record import Marker
from odradek_cli import rendering
from odradek_cli.command import Argument, Option, UsageError
from odradek_cli.failures import Failed
from odradek_cli.filters import Filter, Raw, header_is, key_is, selected_by, value_has
from odradek_cli.merge import Merge
from odradek_cli.rendering import Render
from odradek_cli.schemas.registry import Registry
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, run, security_for
from odradek_cli.when import BEGINNING, END, Place, parse_place

REGISTRY_VARIABLE = "ODRADEK_SCHEMA_REGISTRY"
POLL_SECONDS = 0.2
POLL_RECORDS = 1000
"""So many of 1 KB are still in the processor's cache when they are written; five times as many cost a quarter more."""
FETCH_BYTES = 4 * 1024 * 1024
"""Of one partition at once: with several times what is usual, a backlog costs fewer round trips."""

_place_of = attrgetter("topic", "partition")


class Wish(Struct, frozen=True):
    """What the command line asks for."""

    topics: tuple[str, ...]
    group: str | None
    """Begin where this group would go on."""
    start: Place
    until: Place | None
    last: int | None
    follow: bool
    filters: tuple[Filter, ...]
    render: Render


def tail(
    topics: Annotated[
        list[str] | None, Argument("One topic or more; with --group, else all that it reads.", completes="topic")
    ] = None,
    start: Annotated[
        str | None,
        Option("--from", metavar="PLACE", help="Offset, time (2026-01-31T12:00), -10m, earliest or latest."),
    ] = None,
    group: Annotated[
        str | None, Option(metavar="GROUP", help="What this group would read next.", completes="group")
    ] = None,
    until: Annotated[str | None, Option(metavar="PLACE", help="Offset or time at which to stop.")] = None,
    last: Annotated[int | None, Option("--last", "-n", min=1, help="The newest so many records.")] = None,
    follow: Annotated[bool | None, Option(help="Go on as records come [unless --last, --until or --group].")] = None,
    key: Annotated[str | None, Option(help="Only records with this key.")] = None,
    grep: Annotated[
        str | None, Option(metavar="REGEX", help="Only where this regular expression is in value or key.")
    ] = None,
    jq: Annotated[
        list[str] | None,
        Option("--jq", metavar="PROGRAM", help="Only where this jq program is true of a JSON value."),
    ] = None,
    header: Annotated[list[str] | None, Option("--header", "-H", help="Only with this NAME or NAME=VALUE.")] = None,
    isolation: Annotated[
        Literal["committed", "uncommitted"], Option(help="Whether open and aborted transactions are left out.")
    ] = "uncommitted",
    show_control: Annotated[
        bool, Option("--show-control", help="Ends of transactions too, and those that are open when all is read.")
    ] = False,
    as_json: AsJson = False,
    raw: Annotated[bool, Option("--raw", help="Only the value, as it is, and a line's end.")] = False,
    format: Annotated[
        str | None,
        Option("--format", "-f", help="As kcat: %k key, %s or %v value, %t topic, %p partition, %o offset, %T time."),
    ] = None,
    base64: Annotated[bool, Option("--base64", help="Keys, values and values of headers in base64.")] = False,
    registry: Annotated[
        str | None,
        Option(metavar="URL", env=REGISTRY_VARIABLE, help="Show as JSON what was written with this schema registry."),
    ] = None,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Show records and follow what comes, several topics merged by time."""
    if group is not None and (start is not None or last is not None):
        raise UsageError("--group says where to begin: it excludes --from and --last")
    if not topics and group is None:
        is_meant = format is not None and "%" not in format
        raise UsageError("-f is --format; without it records are followed anyway" if is_meant else "TOPICS is missing")
    now_ms = time.time_ns() // 1_000_000
    try:
        filters = [header_is(text) for text in header or []] + [selected_by(text) for text in jq or []]
        filters += [key_is(key)] if key is not None else []
        filters += [value_has(grep)] if grep is not None else []
        wish = Wish(
            topics=tuple(topics or ()),
            group=group,
            start=parse_place(start, now_ms) if start is not None else BEGINNING if until is not None else END,
            until=None if until is None else parse_place(until, now_ms),
            last=last,
            follow=follow if follow is not None else last is None and until is None and group is None,
            filters=tuple(filters),
            render=_render(as_json, raw, format, base64, several_topics=len(topics or ()) != 1),
        )
    except ValueError as error:
        raise UsageError(str(error)) from None

    if show_control and (raw or format is not None or base64):
        raise UsageError("--show-control is for columns and --json")
    schemas = None if registry is None else Registry(registry)

    async def tell_open(partitions: Sequence[TopicPartition]) -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            for found in await admin.open_transactions(partitions):
                _write(rendering.open_as_json(found) if as_json else rendering.open_in_columns(found))

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            committed = {} if wish.group is None else await admin.group_offsets(wish.group)
            names = wish.topics or sorted({each.topic for each in committed})
            if not names:
                raise Failed(f"group {wish.group} has committed nothing; say which topics are meant")
            described = await admin.describe_topics(*names)
        partitions = [
            TopicPartition(name, each.index) for name, found in described.items() for each in found.partitions
        ]
        nexts = {each: committed[each].offset for each in partitions if each in committed}
        async with Consumer(
            bootstrap,
            security=security_for(bootstrap),
            start="earliest",
            max_partition_fetch_bytes=FETCH_BYTES,
            isolation_level="read_committed" if isolation == "committed" else "read_uncommitted",
            show_markers=show_control,
        ) as consumer:
            await consumer.assign(partitions)
            async with schemas or nullcontext():
                await _show(consumer, partitions, nexts, wish, schemas, tell_open if show_control else None)

    run(work, bootstrap)


def _render(as_json: bool, raw: bool, format: str | None, base64: bool, *, several_topics: bool) -> Render:
    """Raises ValueError, UsageError."""
    if as_json + raw + (format is not None) > 1:
        raise UsageError("--json, --raw and --format exclude each other")
    if as_json and base64:
        raise UsageError("--json is lossless without --base64")
    if as_json:
        return rendering.line_by_line(rendering.as_json)
    render = _plain(raw, format, several_topics)
    return rendering.with_base64(render) if base64 else render


def _plain(raw: bool, format: str | None, several_topics: bool) -> Render:
    if raw:
        return rendering.as_values
    if format is not None:
        return rendering.by_format(format)
    if sys.stdout.isatty():
        return rendering.line_by_line(rendering.in_colours(several_topics=several_topics))
    return rendering.line_by_line(rendering.in_columns(several_topics=several_topics))


async def _show(
    consumer: Consumer[bytes | None, bytes | None],
    partitions: Sequence[TopicPartition],
    nexts: dict[TopicPartition, int],
    wish: Wish,
    schemas: Registry | None,
    tell_open: Callable[[Sequence[TopicPartition]], Awaitable[None]] | None,
) -> None:
    """`nexts`: where the group would go on, as far as it has committed anything. `tell_open` is called once, when all
    that was there at first is shown."""
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
    while merge.behind or wish.follow or tell_open is not None:
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
        if tell_open is not None and not merge.behind:
            await tell_open(partitions)
            tell_open = None
        consumer.resume(*paused)
        paused = merge.crowded()
        if paused:
            consumer.pause(*paused)


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
