"""Deadlines in order."""

from __future__ import annotations

import random

from odradek_broker.coordination.timers import Timers
from odradek_broker.groups.timers import Timer, TimerKind


def timer(name: str) -> Timer:
    return Timer(TimerKind.SESSION, "g", name)


def drain(timers: Timers[Timer], now_ms: int) -> list[str]:
    due = []
    while (one := timers.pop_due(now_ms)) is not None:
        due.append(one.member_id)
    return due


def test_timers_come_up_in_order_and_once() -> None:
    timers = Timers[Timer]()
    for name, at_ms in (("b", 20), ("a", 10), ("c", 30)):
        timers.set(timer(name), at_ms)
    assert timers.next_deadline_ms == 10
    assert drain(timers, 20) == ["a", "b"]
    assert drain(timers, 20) == []
    assert timers.next_deadline_ms == 30


def test_a_prolonged_timer_comes_up_later_and_a_shortened_one_earlier() -> None:
    timers = Timers[Timer]()
    timers.set(timer("a"), 10)
    timers.set(timer("a"), 20)
    assert drain(timers, 19) == []
    timers.set(timer("a"), 5)
    assert timers.next_deadline_ms == 5
    assert drain(timers, 5) == ["a"]
    assert drain(timers, 100) == []


def test_a_cancelled_timer_never_comes_up() -> None:
    timers = Timers[Timer]()
    timers.set(timer("a"), 10)
    timers.cancel(timer("a"))
    timers.cancel(timer("b"))
    assert timers.next_deadline_ms is None
    assert drain(timers, 100) == []


def test_a_session_prolonged_a_thousand_times_takes_the_room_of_one() -> None:
    timers = Timers[Timer]()
    for at_ms in range(1, 1000):
        timers.set(timer("a"), at_ms)
    assert len(timers._heap) == 1


def test_they_agree_with_a_plain_dictionary() -> None:
    chance = random.Random(5)
    timers, plain, now_ms = Timers[Timer](), dict[str, int](), 0
    for _ in range(5_000):
        name = chance.choice("abcdef")
        match chance.randrange(3):
            case 0:
                plain[name] = now_ms + chance.randrange(50)
                timers.set(timer(name), plain[name])
            case 1:
                plain.pop(name, None)
                timers.cancel(timer(name))
            case 2:
                now_ms += chance.randrange(20)
                due = sorted(name for name, at_ms in plain.items() if at_ms <= now_ms)
                assert sorted(drain(timers, now_ms)) == due
                for each in due:
                    del plain[each]
        assert timers.next_deadline_ms == min(plain.values(), default=None)
