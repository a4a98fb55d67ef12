"""A coordinator that does not answer for a while: whether it is waited for, or given up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio

from odradek.cluster.connection import Reply
from odradek.cluster.coordinator import GROUP, OVERDUE_SECONDS, Coordinator
from odradek.errors import ConnectionFailed, OdradekError, RequestTimedOut

ASKED, OTHER, NOBODY = 1, 2, ConnectionFailed("no answer")
ANSWERED_AFTER_S = 5.5 * OVERDUE_SECONDS


class Asked(Coordinator):
    """Who coordinates is told one by one, and the last one over and over."""

    def __init__(self, *named: int | OdradekError) -> None:
        self._reply: Reply[Any] = Reply(SimpleNamespace(name="ours", close=lambda _: None), None, 0, 0)  # type: ignore[arg-type]
        connection = SimpleNamespace(version_of=lambda *_: 0, submit=lambda *_: self._reply)

        async def connected(*_: object) -> Any:
            return connection

        super().__init__(SimpleNamespace(connection=connected), GROUP, "g")  # type: ignore[arg-type]
        self._answers = [ASKED, *named]

    async def _named(self) -> int:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, OdradekError):
            raise answer
        return answer

    async def answer(self, *, may_leave: bool) -> str:
        """Which comes late. Raises RequestTimedOut where it is not waited for."""
        async with trio.open_nursery() as nursery:

            async def come() -> None:
                await trio.sleep(ANSWERED_AFTER_S)
                self._reply.settle("answer")

            nursery.start_soon(come)
            return await self.ask(None, str, purpose="", timeout_s=30, may_leave=may_leave)  # type: ignore[arg-type]


@pytest.mark.parametrize("named", [(ASKED,), (NOBODY,), (OTHER, ASKED), (OTHER, NOBODY, OTHER, ASKED)])
async def test_it_is_waited_for_while_no_other_is_named_twice_in_a_row(autojump_clock: Any, named: Any) -> None:
    assert await Asked(*named).answer(may_leave=True) == "answer"


@pytest.mark.parametrize("named", [(OTHER,), (ASKED, NOBODY, OTHER)])
async def test_it_is_given_up_once_another_is_named_twice(autojump_clock: Any, named: Any) -> None:
    with pytest.RaisesGroup(RequestTimedOut):
        await Asked(*named).answer(may_leave=True)


async def test_what_waits_at_its_coordinator_on_purpose_asks_nobody_else(autojump_clock: Any) -> None:
    assert await Asked(OTHER).answer(may_leave=False) == "answer"


class SlowlyNamed(Asked):
    """Whoever is asked who coordinates hangs as well, so the time is over while that is waited for."""

    async def _named(self) -> int:
        if len(self._answers) == 1:
            await trio.sleep(0.7 * OVERDUE_SECONDS)
        return await super()._named()


async def test_time_that_is_over_while_nobody_says_who_coordinates_is_a_timeout(autojump_clock: Any) -> None:
    asked = SlowlyNamed(ASKED)
    with pytest.raises(RequestTimedOut):
        await asked.ask(None, str, purpose="", timeout_s=3.3 * OVERDUE_SECONDS, may_leave=True)  # type: ignore[arg-type]
