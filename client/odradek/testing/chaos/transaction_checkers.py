"""What is wrong with a history of transactions. All of it is bad; the names are those of Jepsen's Kafka workload.

aborted-read        a value was read whose transaction was aborted
precommitted-read   a transaction has read its own write
torn-txn            some of a transaction's values are there at the end, and others are not
lost-write          a transaction was committed, and nothing of it is there; or a value was not copied
duplicate           one value at two offsets
phantom             a value was read that nobody has written
G1c                 transactions have read one another's writes in a circle
committed-too-far   a group's offset was beyond the beginning of a batch that was still being worked on
abort-rewind        after a batch was aborted, its reader did not go on where that had begun
nonmonotonic-poll, poll-skip, unavailable, crash, remains    as in checkers.py
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from odradek.testing.chaos.checkers import EXAMPLES, Anomaly, Log, about_polls, about_the_end
from odradek.testing.chaos.history import LAST_WRITER, History, Outcome, Transfer

Value = tuple[str, str]
"""A topic, and a value in it."""


def check_transactions(history: History, copies: dict[str, str]) -> list[Anomaly]:
    """Everything that is wrong. `copies`: which topic is to be copied to which, value by value."""
    written = {(topic, value): each for each in history.transfers for topic, _, value in each.writes}
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, example in (
        *_about_reads(history, written),
        *_about_what_is_there(history),
        *_about_copies(history, copies),
        *_about_circles(history, written),
        *_about_offsets(history),
        *_about_rewinds(history),
        *about_polls(history, Log(history)),
        *about_the_end(history),
        *_about_the_last(history),
    ):
        found[name].append(example)
    return [Anomaly(name, len(examples), True, examples[:EXAMPLES]) for name, examples in sorted(found.items())]


def _about_reads(history: History, written: dict[Value, Transfer]) -> Iterator[tuple[str, str]]:
    seen = {(read.topic, value): read.reader for read in history.reads for value in read.values}
    for transfer in history.transfers:
        seen |= {(topic, value): _named(transfer) for topic, _, _, value in transfer.reads}
        own = {(topic, value) for topic, _, value in transfer.writes}
        for topic, partition, offset, value in transfer.reads:
            if (topic, value) in own:
                yield "precommitted-read", f"{_named(transfer)} has read {value} at {topic}-{partition} offset {offset}"
    for (topic, value), reader in seen.items():
        transaction = written.get((topic, value))
        if transaction is None:
            yield "phantom", f"{reader} has read {value} of {topic}"
        elif transaction.outcome is Outcome.FAIL:
            yield "aborted-read", f"{reader} has read {value} of {topic}, which {_named(transaction)} has aborted"


def _about_what_is_there(history: History) -> Iterator[tuple[str, str]]:
    there = _there(history)
    for (topic, value), count in there.items():
        if count > 1:
            yield "duplicate", f"{value} is in {topic} {count} times"
    for transfer in history.transfers:
        kept = [(topic, value) in there for topic, _, value in transfer.writes]
        if any(kept) and not all(kept):
            parts = zip(transfer.writes, kept, strict=True)
            lost = ", ".join(f"{value} of {topic}" for (topic, _, value), is_there in parts if not is_there)
            yield "torn-txn", f"{_named(transfer)}, {transfer.outcome.value}: {lost} is not there"
        elif kept and not any(kept) and transfer.outcome is Outcome.OK:
            yield "lost-write", f"{_named(transfer)} was committed"


def _about_copies(history: History, copies: dict[str, str]) -> Iterator[tuple[str, str]]:
    there = _there(history)
    for topic, value in there:
        if topic in copies and (copies[topic], value) not in there:
            yield "lost-write", f"{value} of {topic} was not copied to {copies[topic]}"


def _there(history: History) -> Counter[Value]:
    """What the last reader has found, who reads committed records."""
    return Counter((read.topic, value) for read in history.reads if read.final for value in read.values)


def _about_circles(history: History, written: dict[Value, Transfer]) -> Iterator[tuple[str, str]]:
    """Whoever reads a transaction's write comes after it."""
    names = {id(each): _named(each) for each in history.transfers}
    after = {
        names[id(each)]: {
            names[id(writer)]
            for topic, _, _, value in each.reads
            if (writer := written.get((topic, value))) is not None and writer is not each
        }
        for each in history.transfers
        if each.outcome is not Outcome.FAIL
    }
    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        yield "G1c", " before ".join(error.args[1])


def _about_offsets(history: History) -> Iterator[tuple[str, str]]:
    """Of batches that were committed: nobody else can have had the partition meanwhile."""
    for transfer in history.transfers:
        if transfer.outcome is not Outcome.OK or transfer.generation < 0:
            continue
        first = _first_offsets(transfer)
        for asked in history.committed:
            begins = first.get((asked.topic, asked.partition))
            is_meanwhile = transfer.sent_s <= asked.sent_s and asked.done_s <= transfer.worked_s
            if begins is not None and is_meanwhile and asked.offset > begins:
                place = f"{asked.topic}-{asked.partition}"
                yield "committed-too-far", f"{_named(transfer)} works on {place} from {begins} on: {asked.offset}"


def _about_rewinds(history: History) -> Iterator[tuple[str, str]]:
    """By the same clients, and within one generation of their group: else the partition may have been another's."""
    waits: dict[tuple[str, int, int, str, int], int] = {}
    for transfer in sorted(history.transfers, key=lambda each: each.sent_s):
        for (topic, partition), first in _first_offsets(transfer).items():
            key = transfer.program, transfer.life, transfer.generation, topic, partition
            wanted = waits.pop(key, first)
            if first != wanted and transfer.generation >= 0:
                yield "abort-rewind", f"{_named(transfer)} reads {topic}-{partition} from {first} on, not from {wanted}"
            if transfer.outcome is Outcome.FAIL:
                waits[key] = first


def _about_the_last(history: History) -> Iterator[tuple[str, str]]:
    """What has failed is tried again, so only how it ends counts."""
    for transfer in [each for each in history.transfers if each.program == LAST_WRITER][-1:]:
        if transfer.outcome is not Outcome.OK:
            yield "unavailable", f"{transfer.writes}: {transfer.error}"


def _first_offsets(transfer: Transfer) -> dict[tuple[str, int], int]:
    first: dict[tuple[str, int], int] = {}
    for topic, partition, offset, _ in transfer.reads:
        first[topic, partition] = min(offset, first.get((topic, partition), offset))
    return first


def _named(transfer: Transfer) -> str:
    return f"{transfer.program}-{transfer.number}"
