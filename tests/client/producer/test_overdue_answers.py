"""A Produce that is not answered for a while: whether the broker is waited for, or given up."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from odradek.cluster.connection import Reply
from odradek.cluster.metadata import NO_LEADER
from odradek.errors import RequestTimedOut
from odradek.producer.sender import OVERDUE_SECONDS, Sender

ASKED, OTHER = 1, 2
BATCHES: Any = [SimpleNamespace(queue=SimpleNamespace(topic="t", partition=partition)) for partition in (0, 1)]
ANSWERED_AFTER_S = 2.5 * OVERDUE_SECONDS


async def answer(*leaders: int, after_s: float = ANSWERED_AFTER_S, wish: Callable[[int], None] | None = None) -> Any:
    """Of the request with both batches, which comes late. Raises RequestTimedOut where nobody waited for it."""
    cluster = SimpleNamespace(
        request_timeout_s=30,
        wish_refresh=lambda doubted: wish and wish(doubted),
        image=SimpleNamespace(leader=lambda _topic, partition: leaders[partition]),
    )
    connection: Any = SimpleNamespace(name="broker 1", close=lambda _: None)
    reply: Reply[Any] = Reply(connection, None, 0, 0)
    async with trio.open_nursery() as nursery:

        async def come() -> None:
            await trio.sleep(after_s)
            reply.settle("answer")

        nursery.start_soon(come)
        return await Sender._answer(SimpleNamespace(_cluster=cluster), ASKED, BATCHES, reply)  # type: ignore[arg-type]


@pytest.mark.parametrize("leaders", [(ASKED, ASKED), (ASKED, OTHER), (ASKED, NO_LEADER), (NO_LEADER, NO_LEADER)])
async def test_a_broker_that_still_leads_some_of_it_is_waited_for(autojump_clock: Any, leaders: Any) -> None:
    assert await answer(*leaders) == "answer"


@pytest.mark.parametrize("leaders", [(OTHER, OTHER), (OTHER, NO_LEADER)])
async def test_a_broker_that_leads_nothing_of_it_any_more_is_given_up(autojump_clock: Any, leaders: Any) -> None:
    with pytest.RaisesGroup(RequestTimedOut):
        await answer(*leaders)


async def test_who_waits_for_long_asks_more_and_more_rarely_who_leads(autojump_clock: Any) -> None:
    asked: list[int] = []
    assert await answer(ASKED, ASKED, after_s=3 * OVERDUE_SECONDS, wish=asked.append) == "answer"
    soon = len(asked)
    assert soon > 5 and set(asked) == {ASKED}
    assert await answer(ASKED, ASKED, after_s=29.0, wish=asked.append) == "answer"
    assert len(asked) - soon < 5 * soon


async def test_an_answer_is_waited_for_under_one_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one, of no seconds, is cancelled at once: steps of the loop and an exception, for each request."""
    opened: list[float] = []

    def move_on_after(seconds: float) -> trio.CancelScope:
        opened.append(seconds)
        return trio.CancelScope(relative_deadline=seconds)

    cluster = SimpleNamespace(request_timeout_s=30)
    reply: Reply[Any] = Reply(SimpleNamespace(), None, 0, 0)  # type: ignore[arg-type]
    monkeypatch.setattr(trio, "move_on_after", move_on_after)
    async with trio.open_nursery() as nursery:

        async def come() -> None:
            reply.settle("answer")

        nursery.start_soon(come)
        found = await Sender._answer(SimpleNamespace(_cluster=cluster), ASKED, BATCHES, reply)  # type: ignore[arg-type]
    assert found == "answer"
    assert opened == [OVERDUE_SECONDS]
