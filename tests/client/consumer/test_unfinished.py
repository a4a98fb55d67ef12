"""What is tried next, what waits and what stands behind it: in a list of calls."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from odradek.consumer.unfinished import LONGEST_DELAY_MS, Order, Unfinished
from odradek.errors import SerializationFailed
from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Record

P0, P1 = TopicPartition("t", 0), TopicPartition("t", 1)


def record(offset: int, key: bytes | None = None, partition: int = 0) -> Record[Any, Any]:
    return Record("t", partition, offset, 0, key, b"v")


def unreadable(each: Record[Any, Any]) -> SerializationFailed:
    failure = SerializationFailed("no number")
    failure.record = each
    return failure


def taken(order: Order, *records: Record[Any, Any], attempts: int = 3, delay_ms: float = 1_000) -> Unfinished:
    unfinished = Unfinished(attempts, delay_ms, order)
    for each in records:
        unfinished.take(each)
    return unfinished


def test_others_go_on_while_one_waits_and_it_comes_first_when_its_time_has_come() -> None:
    a, b, c = record(0), record(1), record(2)
    unfinished = taken("none", a, b, c)
    assert unfinished.next(0) is a
    assert not unfinished.failed(a, now=0)
    assert unfinished.next(0.5) is b
    unfinished.done(b)
    assert (unfinished.next_due, unfinished.lowest(P0), unfinished.attempts_at(a)) == (1.0, 0, 1)
    assert unfinished.next(1.0) is a
    unfinished.done(a)
    assert (unfinished.next_due, unfinished.lowest(P0)) == (None, 2)


def test_delays_double_up_to_the_longest_and_the_last_attempt_is_the_end() -> None:
    a = record(0)
    unfinished = taken("none", a, attempts=12)
    now, delays = 0.0, []
    while True:
        assert unfinished.next(now) is a
        if unfinished.failed(a, now):
            break
        assert unfinished.next(now) is None
        assert unfinished.next_due is not None
        delays.append(unfinished.next_due - now)
        now = unfinished.next_due
    assert delays == [1, 2, 4, 8, 16, 32, *[LONGEST_DELAY_MS / 1000] * 5]
    assert unfinished.lowest(P0) == 0, "it is the caller's until it is done"
    unfinished.done(a)
    assert len(unfinished) == 0


def test_by_key_what_has_the_same_key_stands_behind_and_what_has_none_never_does() -> None:
    a, b, other, none, elsewhere = record(0, b"k"), record(1, b"k"), record(2, b"l"), record(3), record(0, b"k", 1)
    unfinished = taken("key", a, b, other, none, record(4), elsewhere)
    assert unfinished.next(0) is a
    unfinished.failed(a, 0)
    tried = [unfinished.next(0) for _ in range(5)]
    assert tried[0] is other
    assert tried[1] is none
    assert tried[3] is elsewhere
    assert tried[4] is None
    assert unfinished.next(1) is a
    unfinished.done(a)
    assert unfinished.next(1) is b


def test_by_partition_everything_behind_it_stands_and_nothing_more_need_be_read() -> None:
    a, b, elsewhere = record(0), record(1), record(0, partition=1)
    unfinished = taken("partition", a, b, elsewhere)
    unfinished.next(0)
    unfinished.failed(a, 0)
    assert unfinished.next(0) is elsewhere
    unfinished.done(elsewhere)
    assert unfinished.next(0) is None
    assert (unfinished.stops(P0), unfinished.stops(P1)) == (True, False)
    assert not taken("key", a).stops(P0)


def test_what_is_taken_away_is_forgotten_and_what_comes_of_it_changes_nothing() -> None:
    a, b, elsewhere = record(0), record(1), record(0, partition=1)
    unfinished = taken("none", a, b, elsewhere)
    unfinished.next(0)
    unfinished.next(0)
    unfinished.failed(b, 0)
    unfinished.hold(unreadable(record(7)))
    unfinished.forget([P0])
    assert (len(unfinished), unfinished.lowest(P0), unfinished.next_due) == (1, None, None)
    assert not unfinished.failed(a, 0)
    unfinished.done(b)
    again = record(0)
    unfinished.take(again)
    unfinished.done(a)
    assert [unfinished.next(9), unfinished.next(9), unfinished.next(9)] == [elsewhere, again, None]
    assert unfinished.lowest(P0) == 0


def test_what_comes_twice_is_there_once() -> None:
    unfinished = taken("key", record(0, b"k"), record(0, b"k"))
    assert len(unfinished) == len(list(unfinished.records())) == 1


def test_what_is_tried_while_nothing_else_is_unfinished_stands_in_a_line_only_once_it_has_failed() -> None:
    a, b = record(0, b"k"), record(1, b"k")
    unfinished = taken("key")
    assert unfinished.take_in_hand(a)
    assert not unfinished.take_in_hand(b)
    assert (list(unfinished.records()), unfinished.lowest(P0), unfinished.lowest(P1)) == ([a], 0, None)
    unfinished.done(a)
    assert (unfinished.is_empty, unfinished.lowest(P0), unfinished.next(0)) == (True, None, None)
    assert unfinished.take_in_hand(b)
    assert not unfinished.failed(b, 0)
    assert (unfinished.next(0.5), unfinished.attempts_at(b), unfinished.lowest(P0)) == (None, 1, 1)
    assert not unfinished.take_in_hand(a)
    assert unfinished.next(1) is b
    unfinished.done(b)
    assert unfinished.take_in_hand(a)
    unfinished.forget([P0])
    assert (unfinished.failed(a, 2), unfinished.next_due, list(unfinished.records())) == (False, None, [])


def test_what_is_held_is_unfinished_until_it_is_released() -> None:
    unfinished = taken("key", record(5))
    unfinished.hold(unreadable(record(3)))
    assert unfinished.lowest(P0) == 3
    unfinished.release(record(3))
    assert unfinished.lowest(P0) == 5


@pytest.mark.parametrize("order", ["none", "key", "partition"])
def test_in_random_runs_all_is_done_once_each_line_in_order_and_no_commit_passes_what_is_not(order: Order) -> None:
    for seed in range(100):
        rng = random.Random(seed)
        records = [record(n // 2, rng.choice([None, b"a", b"b"]), n % 2) for n in range(20)]
        unfinished, now, left = taken(order, attempts=3), 0.0, list(records)
        failures = {(r.partition, r.offset): rng.choice([0, 0, 1, 5]) for r in records}
        done: list[Record[Any, Any]] = []
        while left or not unfinished.is_empty:
            tried = unfinished.next(now)
            if tried is None and left and rng.random() < 0.5:
                tried = left.pop(0)
                if not unfinished.take_in_hand(tried):
                    unfinished.take(tried)
                    tried = None
            now += rng.random()
            if tried is None:
                continue
            where = tried.partition, tried.offset
            if failures[where] and not unfinished.failed(tried, now):
                failures[where] -= 1
                continue
            unfinished.done(tried)
            done.append(tried)
            for partition in (P0, P1):
                seen = {r.offset for r in records if r.topic_partition == partition and r not in left}
                open_ = seen - {r.offset for r in done if r.topic_partition == partition}
                assert unfinished.lowest(partition) == min(open_, default=None)
        assert sorted(done, key=records.index) == records
        lines: dict[str, Callable[[Any], object]] = {
            "key": lambda r: (r.partition, r.key or r.offset),
            "partition": lambda r: r.partition,
        }
        of = lines.get(order, lambda r: (r.partition, r.offset))
        for line in {of(r) for r in records}:
            assert [r for r in done if of(r) == line] == [r for r in records if of(r) == line]
