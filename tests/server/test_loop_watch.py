"""A loop that is held is noticed, and who holds it is named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from odradek import Admin
from odradek.admin import LoopDescription
from odradek_broker.loop.lag import BEAT_MS, HELD_MS, IDLE_BEAT_MS, LOOK_MS, QUIET_MS, LoopLag
from odradek_broker.server.loop_watch import _stack
from tests.server.served_broker import serving


def watched() -> LoopLag:
    """From the moment 0 on."""
    lag = LoopLag()
    lag.begin(0)
    return lag


def test_a_loop_that_beats_in_time_is_not_spoken_of() -> None:
    lag = watched()
    lag.look(BEAT_MS, lambda: "x")
    assert lag.beat(BEAT_MS + HELD_MS - 1) is None
    assert (lag.lag_ms, lag.longest_ms) == (HELD_MS - 1, HELD_MS - 1)
    assert lag.beat(2 * BEAT_MS + HELD_MS - 1) is None
    assert (lag.lag_ms, lag.longest_ms) == (0, HELD_MS - 1)


def test_a_loop_that_was_held_names_what_it_was_at_when_the_thread_looked_last() -> None:
    lag = watched()
    lag.look(BEAT_MS + LOOK_MS, lambda: "handle of ListOffsets")
    lag.look(BEAT_MS + 2 * LOOK_MS, lambda: "decompress")
    assert lag.beat(BEAT_MS + HELD_MS) == "decompress"
    assert lag.beat(2 * BEAT_MS + HELD_MS) is None


def test_what_was_seen_in_one_hold_is_not_said_of_the_next() -> None:
    lag = watched()
    lag.look(BEAT_MS + LOOK_MS, lambda: "decompress")
    assert lag.beat(BEAT_MS + LOOK_MS) is None
    said = lag.beat(10 * HELD_MS)
    assert said is not None
    assert "decompress" not in said


def test_of_a_stack_only_functions_of_ours_are_named() -> None:
    assert _stack(sys._getframe()) == "no function of ours"
    named: dict[str, Any] = {"__name__": "odradek_broker.apis.api_02_list_offsets", "sys": sys}
    exec("def handle(): return sys._getframe()", named)
    assert _stack(named["handle"]()) == "odradek_broker.apis.api_02_list_offsets:1 handle"


def test_a_loop_that_is_held_again_and_again_is_spoken_of_now_and_then() -> None:
    lag, now_ms, said = watched(), 0, 0
    while now_ms < 3 * QUIET_MS:
        now_ms += BEAT_MS + HELD_MS
        said += lag.beat(now_ms) is not None
    assert said == 3
    assert lag.unsaid > 100


def test_a_loop_that_rests_beats_seldom_and_one_that_works_often() -> None:
    lag, now_ms, pauses = watched(), 0.0, []
    for worked_ms in (0, 0, 0, 0, IDLE_BEAT_MS / 2, 0):
        now_ms += lag.pause_ms
        assert lag.beat(now_ms, worked_ms) is None
        assert lag.look_in_ms(now_ms) == lag.pause_ms + LOOK_MS, "while it beats in time nobody has to look"
        pauses.append(lag.pause_ms)
    assert pauses == [2 * BEAT_MS, 4 * BEAT_MS, IDLE_BEAT_MS, IDLE_BEAT_MS, BEAT_MS, 2 * BEAT_MS]
    assert lag.lag_ms == 0


def test_a_hold_in_a_rest_is_seen_and_beats_are_frequent_from_then_on() -> None:
    lag = watched()
    for _ in range(4):
        lag.beat(lag._due_ms, 0)
    due_ms = lag._due_ms
    lag.look(due_ms + LOOK_MS, lambda: "a disk")
    assert lag.look_in_ms(due_ms + LOOK_MS) == LOOK_MS
    assert lag.beat(due_ms + HELD_MS, 0) == "a disk"
    assert lag.pause_ms == BEAT_MS


async def test_how_late_the_loop_was_and_what_has_held_it_can_be_asked_for(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        lag = served.broker.context.loop_lag
        lag.begin(0)
        lag.look(BEAT_MS + LOOK_MS, lambda: "decompress")
        lag.beat(BEAT_MS + 3 * HELD_MS)
        lag.beat(2 * BEAT_MS + 3 * HELD_MS)
        async with Admin(f"127.0.0.1:{served.port}") as admin:
            assert await admin.loops() == {1: LoopDescription(0, 3 * HELD_MS, 1, "decompress")}
        lag.look(10 * HELD_MS, lambda: "look")
        lag.beat(20 * HELD_MS)
        assert (lag.held_count, lag.last_culprit) == (2, "look"), "also where nothing is said of it"
