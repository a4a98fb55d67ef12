"""When a provider's keys are fetched, as a list of calls."""

from __future__ import annotations

from odradek_broker.security.key_refresh import BETWEEN_MS, KeyRefresh

HOUR = 3_600_000


def test_keys_are_fetched_at_once_and_then_every_hour() -> None:
    refresh = KeyRefresh(HOUR, 100, 10_000)
    assert refresh.due_ms == 0
    refresh.fetched(50)
    assert refresh.due_ms == HOUR + 50


def test_after_a_failure_pauses_double_up_to_a_bound_until_it_goes_well() -> None:
    refresh, pauses = KeyRefresh(HOUR, 100, 1_000), []
    for _ in range(6):
        refresh.failed(0)
        pauses.append(refresh.due_ms)
    assert pauses == [100, 200, 400, 800, 1_000, 1_000]
    for _ in range(100):
        refresh.failed(0)
    refresh.fetched(0)
    refresh.failed(0)
    assert refresh.due_ms == 100


def test_a_key_that_is_unknown_has_them_fetched_soon_and_made_up_names_no_oftener() -> None:
    refresh = KeyRefresh(HOUR, 100, 10_000)
    refresh.fetched(0)
    refresh.missed(1)
    assert refresh.due_ms == BETWEEN_MS
    refresh.missed(BETWEEN_MS + 7)
    assert refresh.due_ms == BETWEEN_MS
    refresh.fetched(BETWEEN_MS)
    for now_ms in range(BETWEEN_MS, 2 * BETWEEN_MS, 100):
        refresh.missed(now_ms)
    assert refresh.due_ms == 2 * BETWEEN_MS
    refresh.fetched(HOUR)
    refresh.missed(HOUR + 2 * BETWEEN_MS)
    assert refresh.due_ms == HOUR + 2 * BETWEEN_MS
