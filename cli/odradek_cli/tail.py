"""`odradek tail`: records of one or more topics, merged by time, as they are and as they come."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Struct

from odradek import Admin, Consumer, TopicPartition
from odradek_cli.command import Argument, Option, UsageError
from odradek_cli.display import CYAN, DIM, GREEN, YELLOW, coloured, escaped, readable
from odradek_cli.filters import Filter, Raw, header_is, key_is, selected_by, value_has
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, run
from odradek_cli.when import BEGINNING, END, Place, parse_place, show_moment

QUEUED_RECORDS = 1000
"""A partition that is so far ahead of the others in time is paused until they have caught up."""
POLL_SECONDS = 0.2


class Wish(Struct, frozen=True):
    """What the command line asks for."""

    topics: tuple[str, ...]
    start: Place
    until: Place | None
    last: int | None
    follow: bool
    filters: tuple[Filter, ...]


class Printer:
    """A line for a record: coloured on a terminal, plain in a pipe, or JSON."""

    def __init__(self, *, as_json: bool, several_topics: bool) -> None:
        self._as_json = as_json
        self._several_topics = several_topics
        self._is_coloured = sys.stdout.isatty()

    def show(self, record: Raw) -> None:
        if self._as_json:
            print(msgspec.json.encode(_as_object(record)).decode(), flush=True)
            return
        place = f"{record.topic}-{record.partition}" if self._several_topics else f"{record.partition}"
        key = "" if record.key is None else readable(record.key)
        value = "null" if record.value is None else readable(record.value)
        moment = show_moment(record.timestamp)
        headers = " ".join(f"{escaped(n)}={'' if each is None else readable(each)}" for n, each in record.headers)
        if not self._is_coloured:
            columns = [moment, place, str(record.offset), key, value, *([headers] if headers else [])]
            print("\t".join(columns), flush=True)
            return
        parts = [coloured(moment, DIM), coloured(f"{place}@{record.offset}", CYAN), coloured(key, YELLOW), value]
        print(*parts, *([" " + coloured(headers, GREEN)] if headers else []), flush=True)


class Merge:
    """Records of several partitions in the order of their times, as far as that can be known.

    A record is given out when no partition that still has a backlog could come up with an older one.
    """

    def __init__(self, ends: dict[TopicPartition, int]) -> None:
        self._ends = ends
        self._queues: dict[TopicPartition, deque[Raw]] = {partition: deque() for partition in ends}
        self.behind = {partition for partition, end in ends.items() if end > 0}

    def add(self, record: Raw) -> None:
        self._queues[record.topic_partition].append(record)

    def reached(self, partition: TopicPartition, position: int | None) -> None:
        """A partition has been read so far; at its end it is waited for no longer."""
        if position is not None and position >= self._ends[partition]:
            self.behind.discard(partition)

    def crowded(self) -> list[TopicPartition]:
        return [partition for partition, queue in self._queues.items() if len(queue) >= QUEUED_RECORDS]

    def take(self) -> list[Raw]:
        taken: list[Raw] = []
        while all(self._queues[partition] for partition in self.behind):
            fronts = [(queue[0].timestamp, partition) for partition, queue in self._queues.items() if queue]
            if not fronts:
                break
            taken.append(self._queues[min(fronts)[1]].popleft())
        return taken


def tail(
    topics: Annotated[list[str], Argument("One topic or more.", completes="topic")],
    start: Annotated[
        str | None, Option("--from", help="Offset, time (2026-01-31T12:00), -10m, earliest or latest.")
    ] = None,
    until: Annotated[str | None, Option(help="Offset or time at which to stop.")] = None,
    last: Annotated[int | None, Option("--last", "-n", min=1, help="The newest so many records.")] = None,
    follow: Annotated[
        bool | None,
        Option("--follow", "-f", help="Go on as records come [unless --last or --until]."),
    ] = None,
    key: Annotated[str | None, Option(help="Only records with this key.")] = None,
    grep: Annotated[str | None, Option(help="Only where this regular expression is in value or key.")] = None,
    jq: Annotated[
        list[str] | None,
        Option("--jq", metavar="PROGRAM", help="Only where this jq program is true of a JSON value."),
    ] = None,
    header: Annotated[list[str] | None, Option("--header", "-H", help="Only with this NAME or NAME=VALUE.")] = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Show records and follow what comes, several topics merged by time."""
    now_ms = time.time_ns() // 1_000_000
    try:
        filters = [header_is(text) for text in header or []] + [selected_by(text) for text in jq or []]
        filters += [key_is(key)] if key is not None else []
        filters += [value_has(grep)] if grep is not None else []
        wish = Wish(
            topics=tuple(topics),
            start=parse_place(start, now_ms) if start is not None else BEGINNING if until is not None else END,
            until=None if until is None else parse_place(until, now_ms),
            last=last,
            follow=follow if follow is not None else last is None and until is None,
            filters=tuple(filters),
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    printer = Printer(as_json=as_json, several_topics=len(topics) > 1)

    async def work() -> None:
        async with Admin(bootstrap) as admin:
            described = await admin.describe_topics(*wish.topics)
        partitions = [
            TopicPartition(name, each.index) for name, found in described.items() for each in found.partitions
        ]
        async with Consumer(bootstrap, start="earliest") as consumer:
            await consumer.assign(partitions)
            await _show(consumer, partitions, wish, printer)

    run(work, bootstrap)


async def _show(
    consumer: Consumer[bytes | None, bytes | None], partitions: Sequence[TopicPartition], wish: Wish, printer: Printer
) -> None:
    ends = await consumer.end_offsets(*partitions)
    starts = await _starts(consumer, partitions, ends, wish)
    for partition, offset in starts.items():
        consumer.seek(partition, offset)
    merge = Merge({partition: end if starts[partition] < end else 0 for partition, end in ends.items()})
    newest: deque[Raw] | None = None if wish.last is None else deque(maxlen=wish.last)
    paused: list[TopicPartition] = []
    while merge.behind or wish.follow:
        for record in await consumer.poll(timeout_s=POLL_SECONDS):
            if _is_beyond(record, wish.until):
                merge.behind.discard(record.topic_partition)
                continue
            merge.add(record)
            merge.reached(record.topic_partition, record.offset + 1)
        for partition in list(merge.behind):
            merge.reached(partition, consumer.position(partition))
        matching = [record for record in merge.take() if all(passes(record) for passes in wish.filters)]
        if newest is not None:
            newest.extend(matching)
            matching = []
            if not merge.behind:
                matching, newest = list(newest), None
        for record in matching:
            printer.show(record)
        consumer.resume(*paused)
        paused = merge.crowded()
        if paused:
            consumer.pause(*paused)


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


def _is_beyond(record: Raw, until: Place | None) -> bool:
    if until is None:
        return False
    if until.timestamp_ms is not None:
        return record.timestamp > until.timestamp_ms
    return until.offset is not None and record.offset >= until.offset


def _as_object(record: Raw) -> dict[str, object]:
    value: object = None
    if record.value is not None:
        try:
            value = msgspec.json.decode(record.value)
        except msgspec.DecodeError:
            value = _readable(record.value)
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": None if record.key is None else _readable(record.key),
        "value": value,
        "headers": {name: None if each is None else _readable(each) for name, each in record.headers},
    }


def _readable(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
