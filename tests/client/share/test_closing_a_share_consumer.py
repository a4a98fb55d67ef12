"""What a share consumer says when it ends, and for how long it tries, when somebody wants it gone."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from odradek import ShareConsumer

CLOSE_TIMEOUT_MS = 5_000
SHORT_S = CLOSE_TIMEOUT_MS / 5_000


class Others:
    """The group and the brokers, who need some time to hear of it."""

    def __init__(self, takes_s: float) -> None:
        self._takes_s = takes_s
        self.told: list[str] = []

    async def leave(self) -> None:
        await trio.sleep(self._takes_s)
        self.told.append("left")

    async def end_sessions(self) -> None:
        await trio.sleep(self._takes_s)
        self.told.append("ended")


def closing(others: Others) -> ShareConsumer[Any, Any]:
    consumer = ShareConsumer("nowhere:1", "t", group="g", close_timeout_ms=CLOSE_TIMEOUT_MS)
    internals: Any = consumer
    internals._membership = internals._fetcher = others
    return consumer


@pytest.mark.parametrize("is_normal", [True, False])
@pytest.mark.parametrize(("takes_s", "is_told"), [(SHORT_S / 2, True), (2 * SHORT_S, False)])
async def test_who_is_cancelled_tells_the_last_of_it_and_soon_gives_up(
    takes_s: float, is_told: bool, is_normal: bool, autojump_clock: object
) -> None:
    """Also where the scope was being left in the normal way: others would wait for the end of its session."""
    others, began_s = Others(takes_s), trio.current_time()
    with trio.move_on_after(0.1):
        await closing(others)._close(trio.CancelScope(), is_normal=is_normal)
    assert sorted(others.told) == (["ended", "left"] if is_told else [])
    assert trio.current_time() - began_s <= 0.1 + SHORT_S


@pytest.mark.parametrize(("takes_s", "is_told"), [(4 * SHORT_S, True), (6 * SHORT_S, False)])
async def test_a_normal_end_takes_the_time_it_is_given(takes_s: float, is_told: bool, autojump_clock: object) -> None:
    others = Others(takes_s)
    await closing(others)._close(trio.CancelScope(), is_normal=True)
    assert sorted(others.told) == (["ended", "left"] if is_told else [])
