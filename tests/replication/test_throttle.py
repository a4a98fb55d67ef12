"""How much replication may take."""

from __future__ import annotations

from odradek_broker.config.topic_keys import is_throttled
from odradek_broker.replication.throttle import Throttle


def test_what_goes_is_at_most_the_rate_and_a_second_s_worth() -> None:
    throttle, sent = Throttle(), 0
    for now_ms in range(0, 10_000, 10):
        if not throttle.is_exceeded(1000, now_ms):
            throttle.note(300, 1000, now_ms)
            sent += 300
    assert 10_000 <= sent <= 11_300


def test_nothing_is_saved_up_while_nothing_goes() -> None:
    throttle = Throttle()
    assert not throttle.is_exceeded(1000, 0)
    assert not throttle.is_exceeded(1000, 60_000)
    throttle.note(1001, 1000, 60_000)
    assert throttle.is_exceeded(1000, 60_000)
    assert not throttle.is_exceeded(1000, 60_002)


def test_what_replicas_in_sync_took_long_ago_is_not_held_against_those_that_catch_up() -> None:
    throttle = Throttle()
    for now_ms in range(0, 3_600_000, 1000):
        throttle.note(5000, 1000, now_ms)
    assert throttle.is_exceeded(1000, 3_600_000)
    assert not throttle.is_exceeded(1000, 3_600_000 + 12_000)


def test_a_debt_is_paid_back_at_the_rate() -> None:
    throttle = Throttle()
    assert not throttle.is_exceeded(1000, 0)
    throttle.note(11_000, 1000, 0)
    assert throttle.is_exceeded(1000, 10_000)
    assert not throttle.is_exceeded(1000, 10_001)


def test_a_rate_of_nothing_stops_all() -> None:
    assert Throttle().is_exceeded(0, 0)


def test_throttled_replicas_are_named_in_pairs_or_all_at_once() -> None:
    assert is_throttled(("0:1", "1:2"), 1, 2)
    assert not is_throttled(("0:1", "1:2"), 1, 1)
    assert is_throttled(("*",), 7, 7)
    assert not is_throttled((), 0, 1)
