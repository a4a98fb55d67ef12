"""One question to several brokers, one after the other, without waiting long for one that is silent.

A broker that is paused, or whose machine has lost its power, neither answers nor refuses. Whoever asks it alone waits
for as long as a request may take; so a second broker is asked when the first is late, and the first answer counts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import trio

from odradek.errors import OdradekError

T = TypeVar("T")

PATIENCE_S = 0.5


async def first_answer(attempts: Iterable[Callable[[], Awaitable[T]]], patience_s: float = PATIENCE_S) -> T:
    """What the first attempt that goes well returns; the others are cancelled then.

    The next one begins when the one before has failed, or has been silent for that long. Raises the last failure,
    and what is no OdradekError in a group, as any nursery does.
    """
    answers: list[T] = []
    failures: list[OdradekError] = []
    async with trio.open_nursery() as nursery:

        async def try_one(attempt: Callable[[], Awaitable[T]], is_over: trio.Event) -> None:
            try:
                answers.append(await attempt())
                nursery.cancel_scope.cancel()
            except OdradekError as error:
                failures.append(error)
            is_over.set()

        for attempt in attempts:
            is_over = trio.Event()
            nursery.start_soon(try_one, attempt, is_over)
            with trio.move_on_after(patience_s):
                await is_over.wait()
    if answers:
        return answers[0]
    raise failures[-1]
