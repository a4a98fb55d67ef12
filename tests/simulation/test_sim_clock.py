"""A machine's clocks are wrong in the ways in which real ones are, and in no others."""

from __future__ import annotations

import pytest
import trio
from deterministic_trio import run_in_virtual_time
from sim_clock import EPOCH_MS, FASTEST, SLOWEST, SimClock


def test_a_clock_that_drifts_shows_another_time_than_the_world() -> None:
    async def run() -> None:
        clocks = [SimClock(rate) for rate in (SLOWEST, 1.0, FASTEST)]
        await trio.sleep(100)
        assert [clock.monotonic_ms() for clock in clocks] == [95_000, 100_000, 105_000]
        assert [clock.now_ms() - EPOCH_MS for clock in clocks] == [95_000, 100_000, 105_000]

    run_in_virtual_time(1, run)


def test_a_change_of_rate_moves_no_clock_at_that_moment() -> None:
    async def run() -> None:
        clock = SimClock()
        shown = 0
        for rate in (FASTEST, SLOWEST, 1.0):
            await trio.sleep(10)
            before = clock.monotonic_ms()
            clock.rate = rate
            assert before >= shown and clock.monotonic_ms() == before
            shown = before
        assert clock.monotonic_ms() == 30_000
        with pytest.raises(AssertionError):
            clock.rate = -1.0

    run_in_virtual_time(1, run)


def test_a_jump_is_seen_by_the_wall_clock_alone() -> None:
    async def run() -> None:
        clock = SimClock()
        await trio.sleep(5)
        clock.jump(-3_600_000)
        assert (clock.now_ms(), clock.monotonic_ms()) == (EPOCH_MS - 3_595_000, 5_000)
        clock.jump(7_200_000)
        assert (clock.now_ms(), clock.monotonic_ms()) == (EPOCH_MS + 3_605_000, 5_000)

    run_in_virtual_time(1, run)
