"""A question to several brokers: a silent one costs half a second, not the time that a request may take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from odradek.cluster.first_answer import PATIENCE_S, first_answer
from odradek.errors import ConnectionFailed


async def silent() -> str:
    await trio.sleep(1000)
    return "too late"


async def refuses() -> str:
    raise ConnectionFailed("refused")


def says(word: str, after_s: float = 0.0) -> Callable[[], Awaitable[str]]:
    async def say() -> str:
        await trio.sleep(after_s)
        return word

    return say


@pytest.mark.trio
async def test_a_silent_broker_holds_nobody_up(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    assert await first_answer([silent, says("b")]) == "b"
    assert trio.current_time() - began == pytest.approx(PATIENCE_S)


@pytest.mark.trio
async def test_a_broker_that_refuses_is_passed_over_at_once(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    assert await first_answer([refuses, refuses, says("c")]) == "c"
    assert trio.current_time() == began


@pytest.mark.trio
async def test_one_that_is_late_but_first_counts(autojump_clock: MockClock) -> None:
    assert await first_answer([says("a", 0.7), says("b", 5.0)]) == "a"


@pytest.mark.trio
async def test_a_broker_that_answers_is_asked_alone(autojump_clock: MockClock) -> None:
    asked = []

    async def second() -> str:
        asked.append("b")
        return "b"

    assert await first_answer([says("a", 0.4), second]) == "a"
    assert asked == []


@pytest.mark.trio
async def test_where_all_refuse_the_last_failure_is_raised(autojump_clock: MockClock) -> None:
    with pytest.raises(ConnectionFailed):
        await first_answer([refuses, refuses])
