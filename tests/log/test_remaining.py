"""A count of what is left to read is what a consumer then gets: no record more, none less, whatever befell the log."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from odradek.consumer.aborted import AbortedTransactions
from odradek.protocol.messages.fetch import AbortedTransaction
from odradek.protocol.records.batch import iter_headers
from odradek_broker.log import tally
from odradek_broker.log.config import LogConfig
from odradek_broker.log.log import Log
from odradek_broker.log.raw_batch import payload_of, raw_records
from odradek_broker.log.remaining import Remaining, remaining
from odradek_broker.log.validation import Origin
from tests.log.log_batches import TRANSACTIONAL, batch, marker
from tests.log.log_fixtures import NOW, LogHouse, append

COMPACTED = LogConfig(
    segment_bytes=900,
    index_interval_bytes=100,
    cleanup_policy=frozenset({"compact"}),
    min_cleanable_dirty_ratio=0.0,
    delete_retention_ms=3,
)
KEPT = LogConfig(segment_bytes=900, index_interval_bytes=100, retention_ms=-1)


@pytest.fixture(autouse=True)
def many_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs of a few dozen batches are to have marks, and to thin them out."""
    monkeypatch.setattr(tally, "APART", 2)
    monkeypatch.setattr(tally, "MOST_MARKS", 6)


@pytest.fixture(autouse=True)
def no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power cut happens here."""
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda descriptor: None)


def counted(
    log: Log, begin: int, end: int, *, committed: bool, between: Callable[[], None] = lambda: None
) -> Remaining:
    """The count, driven to its end; `between` two steps something may happen."""
    steps = remaining(log, begin, end, committed=committed, stable_offset=log.last_stable_offset(log.log_end_offset))
    answer = None
    while True:
        try:
            look = steps.send(answer)  # type: ignore[arg-type]
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        between()
        answer = None if look is None else look.job()


def consumed(log: Log, begin: int, end: int, *, committed: bool) -> Remaining:
    """By brute force: all that is there is read, and undone, as a consumer would."""
    offset, records, size_bytes, first = max(begin, log.log_start_offset), 0, 0, -1
    while offset < end and (found := log.read(offset, 1 << 20)) is not None:
        data = found.read()
        listed = log.aborted_in(offset, found, log.log_end_offset) if committed else []
        aborted = AbortedTransactions(AbortedTransaction(each.producer_id, each.first_offset) for each in listed)
        for position, header in iter_headers(data):
            hidden = aborted.pass_batch(header) and committed
            if not (hidden or header.is_control):
                batch = data[position : position + header.size_bytes]
                times = [
                    record.timestamp(header)
                    for record in raw_records(payload_of(batch, 0, header), header)
                    if max(begin, log.log_start_offset) <= header.base_offset + record.offset_delta < end
                ]
                first = times[0] if times and not records else first
                records, size_bytes = records + len(times), size_bytes + (header.size_bytes if times else 0)
            offset = header.next_offset
    return Remaining(records, size_bytes, first)


class History:
    """A log to which things happen, one after the other, out of one seed."""

    def __init__(self, house: LogHouse, seed: int) -> None:
        self.rng = random.Random(seed)
        self.house = house
        self.log = house.open()
        self.now_ms = NOW
        self.in_transaction: set[int] = set()
        """Producers that have an open transaction."""
        self.sequences: dict[int, int] = {}

    def produce(self) -> None:
        append(self.log, self._batch())

    def produce_many(self) -> None:
        for _ in range(self.rng.randint(2, 12)):
            self.produce()

    def produce_in_transaction(self) -> None:
        producer = self.rng.randrange(1, 4)
        sequence = self.sequences.get(producer, 0)
        data = self._batch(producer=(producer, 0, sequence), attributes=TRANSACTIONAL)
        appended = append(self.log, data)
        self.sequences[producer] = sequence + appended.last_offset - appended.base_offset + 1
        self.in_transaction.add(producer)

    def end_transaction(self) -> None:
        if self.in_transaction:
            producer = self.rng.choice(sorted(self.in_transaction))
            self.in_transaction.remove(producer)
            commit = self.rng.random() < 0.5
            append(self.log, marker(producer, 0, commit=commit), origin=Origin.COORDINATOR)

    def compact(self) -> None:
        self.now_ms += self.rng.randint(0, 5)
        if self.log.config.compacts:
            self.log.flush()
            self.log.compact(self.now_ms, self.log.last_stable_offset(self.log.log_end_offset), force=True)

    def delete_records(self) -> None:
        stable = self.log.last_stable_offset(self.log.log_end_offset)
        span = max(stable - self.log.log_start_offset, 0)
        self.log.advance_log_start(self.log.log_start_offset + self.rng.randint(0, max(span // 4, 1) if span else 0))
        if self.rng.random() < 0.5:
            self.log.delete_segments_before(self.log.log_start_offset, self.now_ms)

    def cut(self) -> None:
        """As a follower does; whoever has written there since goes on from what is left."""
        end = self.log.log_end_offset
        self.log.truncate_to(self.rng.randint(max(self.log.log_start_offset, end - 20), end))
        known = self.log.producers.producers
        self.sequences = {each.producer_id: each.last_sequence + 1 for each in known.values()}
        self.in_transaction = {each.producer_id for each in known.values() if each.transaction_first_offset >= 0}

    def begin_anew(self) -> None:
        self.log.close(clean=True)
        self.log = self.house.open(clean=True, log_start_offset=self.log.log_start_offset)

    def check(self) -> None:
        log, rng = self.log, self.rng
        log.producers.committed_up_to(log.log_end_offset)
        for committed in (False, True):
            end = log.last_stable_offset(log.log_end_offset) if committed else log.log_end_offset
            for _ in range(3):
                begin, until = rng.randint(0, end + 2), end
                if rng.random() < 0.3:
                    until = rng.randint(0, end)
                found = counted(log, begin, until, committed=committed)
                assert found == consumed(log, begin, until, committed=committed), (committed, begin, until)

    def _batch(self, **more: object) -> bytes:
        rng = self.rng
        pairs = [
            (b"k%d" % rng.randrange(10), None if rng.random() < 0.1 else b"v" * rng.randint(0, 20))
            for _ in range(rng.randint(1, 5))
        ]
        times = [self.now_ms - rng.randint(0, 100) for _ in pairs]
        return batch(*pairs, timestamps=times, **more)  # type: ignore[arg-type]

    def go_on(self) -> None:
        happenings = [
            *[self.produce_many] * 3,
            *[self.produce_in_transaction] * 4,
            *[self.end_transaction] * 4,
            self.produce,
            self.compact,
            self.delete_records,
            self.cut,
            self.begin_anew,
        ]
        self.rng.choice(happenings)()


def play(tmp_path: Path, seed: int) -> None:
    history = History(LogHouse(tmp_path / str(seed), (COMPACTED, KEPT)[seed % 3 == 0]), seed)
    for _ in range(24):
        history.go_on()
        history.check()
    history.log.close(clean=False)


@pytest.mark.parametrize("seeds", [range(30), pytest.param(range(30, 300), marks=pytest.mark.slow)])
def test_in_random_histories_a_count_is_what_a_consumer_gets(tmp_path: Path, seeds: range) -> None:
    for seed in seeds:
        play(tmp_path, seed)


def test_what_is_compacted_while_it_is_counted_is_counted_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odradek_broker.log.remaining.HEADERS_AT_ONCE", 1)
    log = LogHouse(tmp_path, COMPACTED).open()
    for index in range(60):
        append(log, batch((b"k%d" % (index % 3), b"v" * 20)))
        append(log, batch((b"k9", b"aborted"), producer=(1, 0, index), attributes=TRANSACTIONAL))
        append(log, marker(1, 0, commit=False), origin=Origin.COORDINATOR)
    log.producers.committed_up_to(log.log_end_offset)
    end, steps = log.log_end_offset, 0

    def compact_once() -> None:
        nonlocal steps
        steps += 1
        if steps == 20:
            log.flush()
            assert log.compact(NOW, end, force=True)

    before = consumed(log, 0, end, committed=True)
    found = counted(log, 0, end, committed=True, between=compact_once)
    assert steps > 20 and found == consumed(log, 0, end, committed=True) != before


def test_the_marks_of_a_segment_have_a_bound(tmp_path: Path) -> None:
    log = LogHouse(tmp_path, LogConfig()).open()
    for _ in range(200):
        append(log, batch(b"v", b"w"))
    assert counted(log, 0, 400, committed=False).records == 400
    assert len(log.segments.first.tally) <= 6
    assert [counted(log, begin, 400, committed=False).records for begin in range(401)] == list(range(400, -1, -1))


def test_who_is_at_the_end_costs_no_look_at_the_log(tmp_path: Path) -> None:
    log = LogHouse(tmp_path, KEPT).open()
    append(log, batch(b"v"))
    with pytest.raises(StopIteration) as stop:
        next(remaining(log, 1, 1, committed=True, stable_offset=1))
    assert stop.value.value == Remaining()
