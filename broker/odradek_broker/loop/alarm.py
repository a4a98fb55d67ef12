"""Sleeping until a deadline that may come to be an earlier one meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import trio


class Alarm:
    """Of one task."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._sleeps_until_ms: int | None = None
        self._earlier = trio.Event()

    def set(self, deadline_ms: int | None) -> None:
        """Wake the task if the next deadline is earlier than it thinks; None where there is none."""
        if deadline_ms is not None and (self._sleeps_until_ms is None or deadline_ms < self._sleeps_until_ms):
            self._earlier.set()

    async def sleep_until(self, deadline_ms: int | None) -> None:
        """Or until `set` names an earlier one. For ever, where there is none."""
        self._earlier = trio.Event()
        self._sleeps_until_ms = deadline_ms
        seconds = float("inf") if deadline_ms is None else max(deadline_ms - self._now_ms(), 0) / 1000
        with trio.move_on_after(seconds):
            await self._earlier.wait()
