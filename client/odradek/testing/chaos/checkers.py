"""What is wrong with a history. The names are those of Jepsen's Kafka workload, and a few of our own.

Bad (the run fails)
    lost-write            acknowledged, and not there when everything was read at the end
    inconsistent-offsets  one offset, two values
    duplicate             one value at two offsets; with idempotence only, without it is noted
    bogus-offset          acknowledged at one offset, found at another
    aborted-read          a value was read whose write had surely failed
    phantom               a value was read that nobody has sent
    nonmonotonic-poll     a reader went back
    poll-skip             a reader went on behind records that are there
    nonmonotonic-send     two acknowledged records of one writer lie the wrong way round
    unavailable           when all was healed, a partition took no record any more
    crash                 a node ended that nobody had told to
    remains               a topic that was deleted and made again had something of the one before it
    trespass              somebody without any right has seen, read or written something, or a wrong password was taken
    shut-out              somebody was refused what is permitted
    lost-commit           a group's offset was less than one that had been acknowledged before it was asked for
Noted
    lost-write, duplicate, nonmonotonic-send where acks or idempotence promise no better
    unacknowledged-write  sent, never acknowledged, and there: the writer could not know
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct

from odradek.testing.chaos.history import (
    CRASH,
    LAST_WRITER,
    REMAINS,
    SHUT_OUT,
    TRESPASS,
    History,
    Outcome,
    Place,
    Write,
)

EXAMPLES = 10


class Anomaly(Struct, frozen=True):
    """All that is wrong in one way."""

    name: str
    count: int
    bad: bool
    examples: list[str]


class Promise(Struct, frozen=True):
    """What the writers were promised by their settings."""

    durable: bool = True
    """acks=all"""
    idempotent: bool = True


def check(history: History, promise: Promise) -> list[Anomaly]:
    """Everything that is wrong, or worth a note; the bad first."""
    log = Log(history)
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, example in (
        *_about_values(log),
        *_about_writes(history, log),
        *about_polls(history, log),
        *_about_commits(history),
        *about_the_end(history),
    ):
        found[name].append(example)
    anomalies = [
        Anomaly(name, len(examples), _is_bad(name, promise), examples[:EXAMPLES]) for name, examples in found.items()
    ]
    return sorted(anomalies, key=lambda each: (not each.bad, each.name))


def _is_bad(name: str, promise: Promise) -> bool:
    if name == "unacknowledged-write":
        return False
    if name in ("duplicate", "nonmonotonic-send"):
        return promise.durable and promise.idempotent
    if name in ("lost-write", "bogus-offset", "inconsistent-offsets", "nonmonotonic-poll", "remains"):
        return promise.durable
    return True


class Log:
    """What all readers together have seen of each partition, and what the last one found."""

    def __init__(self, history: History) -> None:
        self.at: defaultdict[tuple[Place, int], set[str]] = defaultdict(set)
        self.places: defaultdict[str, set[tuple[Place, int]]] = defaultdict(set)
        self.final: defaultdict[Place, dict[int, str]] = defaultdict(dict)
        self.writes: dict[str, Write] = {write.value: write for write in history.writes}
        for read in history.reads:
            for offset, value in zip(read.offsets, read.values, strict=True):
                self.at[read.place, offset].add(value)
                self.places[value].add((read.place, offset))
                if read.final:
                    self.final[read.place][offset] = value
        self.final_values = {value for offsets in self.final.values() for value in offsets.values()}


def _about_values(log: Log) -> Iterator[tuple[str, str]]:
    for where, values in log.at.items():
        if len(values) > 1:
            yield "inconsistent-offsets", f"{_where({where})}: {', '.join(sorted(values))}"
    for value, places in log.places.items():
        write = log.writes.get(value)
        if write is None:
            yield "phantom", f"{value} at {_where(places)}"
            continue
        if len(places) > 1:
            yield "duplicate", f"{value} at {_where(places)}"
        if write.outcome is Outcome.FAIL:
            yield "aborted-read", f"{value} at {_where(places)}, though its write failed: {write.error}"
        if write.outcome is Outcome.INFO:
            yield "unacknowledged-write", f"{value} at {_where(places)}"


def _about_writes(history: History, log: Log) -> Iterator[tuple[str, str]]:
    last: dict[tuple[str, Place], Write] = {}
    for write in history.writes:
        if write.outcome is not Outcome.OK:
            continue
        if write.value not in log.final_values:
            yield "lost-write", f"{write.value} at {_where({(write.place, write.offset)})}"
        elif write.offset >= 0 and log.final[write.place].get(write.offset) != write.value:
            yield (
                "bogus-offset",
                f"{write.value}: acknowledged at {write.offset}, is at {_where(log.places[write.value])}",
            )
        before = last.get((write.writer, write.place))
        if before is not None and write.offset <= before.offset:
            yield "nonmonotonic-send", f"{before.value} at {before.offset}, then {write.value} at {write.offset}"
        last[write.writer, write.place] = write


def about_polls(history: History, log: Log) -> Iterator[tuple[str, str]]:
    """Readers are assigned their partitions for the whole run, so each reads on from where it was."""
    position: dict[tuple[str, Place], int] = {}
    for read in history.reads:
        key = (read.reader, read.place)
        for offset in read.offsets:
            expected = position.get(key, offset)
            if offset < expected:
                yield "nonmonotonic-poll", f"{read.reader}, {_named(read.place)}: {offset} after {expected - 1}"
            elif any((read.place, skipped) in log.at for skipped in range(expected, offset)):
                yield "poll-skip", f"{read.reader}, {_named(read.place)}: {offset} after {expected - 1}"
            position[key] = offset + 1


def _about_commits(history: History) -> Iterator[tuple[str, str]]:
    """Members read on, so what a group commits in a partition only ever rises."""
    acknowledged: defaultdict[tuple[str, Place], list[tuple[float, int]]] = defaultdict(list)
    for commit in sorted(history.commits, key=lambda each: each.done_s):
        known = acknowledged[commit.group, (commit.topic, commit.partition)]
        known.append((commit.done_s, max(commit.offset, known[-1][1] if known else 0)))
    for found in history.committed:
        place = (found.topic, found.partition)
        known = acknowledged[found.group, place]
        count = bisect_left(known, (found.sent_s, -1))
        if count and found.offset < known[count - 1][1]:
            yield "lost-commit", f"{found.group}, {_named(place)}: {found.offset} after {known[count - 1][1]}"


def about_the_end(history: History) -> Iterator[tuple[str, str]]:
    for write in history.writes:
        if write.writer == LAST_WRITER and write.outcome is not Outcome.OK:
            yield "unavailable", f"{_named(write.place)}: {write.error}"
    for fault in history.faults:
        if fault.kind in (CRASH, REMAINS, TRESPASS, SHUT_OUT):
            yield fault.kind, f"{fault.node}, noticed after {fault.at_s:.2f} s"


def _where(places: set[tuple[Place, int]]) -> str:
    return ", ".join(f"{_named(place)} offset {offset}" for place, offset in sorted(places))


def _named(place: Place) -> str:
    topic, partition = place
    return f"{topic}-{partition}"


def longest_silence_s(history: History, place: Place, until_s: float) -> tuple[float, float]:
    """The longest time without an acknowledgement in a partition, from the start until then, and when it began."""
    acknowledged = (write.done_s for write in history.writes if write.place == place and _is_ok(write))
    times = [0.0, *sorted(time for time in acknowledged if time < until_s), until_s]
    return max((later - sooner, sooner) for sooner, later in pairwise(times))


def _is_ok(write: Write) -> bool:
    return write.outcome is Outcome.OK
