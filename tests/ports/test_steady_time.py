"""By which time data is too old, while the clocks go on, jump and are set right."""

from __future__ import annotations

from odradek_broker.ports.steady_time import HOLD_MS, TOLERANCE_MS, SteadyTime

WALL, MONOTONIC = 1_700_000_000_000, 5_000
MINUTE, DAY = 60_000, 24 * 60 * 60 * 1000


def at(time: SteadyTime, passed_ms: int, ahead_ms: int = 0) -> tuple[int, bool]:
    """What it says so long after the start, as the difference to that, and whether there is news."""
    now = time.now(WALL + passed_ms + ahead_ms, MONOTONIC + passed_ms)
    return now.ms - WALL - passed_ms, now.news is not None


def started() -> SteadyTime:
    return SteadyTime(WALL, MONOTONIC)


def test_time_is_the_wall_clocks_while_that_moves_as_the_other_does() -> None:
    time = started()
    assert [at(time, minutes * MINUTE) for minutes in range(5)] == [(0, False)] * 5


def test_a_day_that_nobody_has_lived_through_makes_nothing_older_and_is_said_once() -> None:
    time = started()
    assert at(time, MINUTE) == (0, False)
    assert at(time, 2 * MINUTE, DAY) == (0, True)
    assert [at(time, minutes * MINUTE, DAY) for minutes in range(3, 60)] == [(0, False)] * 57


def test_a_jump_is_believed_after_a_day_and_that_is_said() -> None:
    time = started()
    at(time, MINUTE, DAY)
    assert at(time, MINUTE + HOLD_MS - 1, DAY) == (0, False)
    assert at(time, MINUTE + HOLD_MS, DAY) == (DAY, True)
    assert at(time, 2 * MINUTE + HOLD_MS, DAY) == (DAY, False)


def test_a_clock_that_is_set_right_is_believed_at_once_and_the_next_jump_waits_its_own_day() -> None:
    time = started()
    at(time, MINUTE, DAY)
    assert at(time, 2 * MINUTE) == (0, True)
    assert at(time, 3 * MINUTE) == (0, False)
    assert at(time, HOLD_MS, 2 * DAY) == (0, True)
    assert at(time, 2 * HOLD_MS - 1, 2 * DAY) == (0, False)


def test_a_clock_that_falls_is_believed_and_so_it_is_when_it_is_set_right_again() -> None:
    time = started()
    assert at(time, MINUTE, -DAY) == (-DAY, False)
    assert at(time, 2 * MINUTE, -DAY) == (-DAY, False)
    assert at(time, 3 * MINUTE) == (0, True)
    assert at(time, 4 * MINUTE) == (0, False)
    assert at(time, 5 * MINUTE, DAY) == (0, True), "further ahead is a jump like any other"


def test_a_clock_that_comes_back_further_than_it_had_fallen_jumps() -> None:
    time = started()
    at(time, MINUTE, -DAY)
    assert at(time, 2 * MINUTE, DAY) == (-DAY, True)
    assert at(time, 3 * MINUTE) == (0, True), "but may yet be set right"


def test_a_clock_that_falls_twice_comes_back_to_where_it_was_first() -> None:
    time = started()
    at(time, MINUTE, -DAY)
    at(time, 2 * MINUTE, -2 * DAY)
    assert at(time, 3 * MINUTE) == (0, True)


def test_a_clock_that_has_fallen_for_a_day_was_wrong_before() -> None:
    time = started()
    at(time, MINUTE, -DAY)
    assert at(time, MINUTE + HOLD_MS) == (-DAY, True)


def test_what_a_time_server_corrects_is_no_jump() -> None:
    time = started()
    assert at(time, MINUTE, TOLERANCE_MS) == (TOLERANCE_MS, False)
    assert at(time, DAY, TOLERANCE_MS + DAY // 100) == (TOLERANCE_MS + DAY // 100, False), "a bad quartz, in a day"
