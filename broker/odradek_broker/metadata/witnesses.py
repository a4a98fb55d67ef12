"""Brokers that may know of decisions which are not in the journal: its end was left out, for it was not whole.

Who was told of it is to say so before anything is written in its place.
"""

from __future__ import annotations

from collections.abc import Collection

import trio


class Witnesses:
    """Of one start of a controller; nobody, until they are called."""

    def __init__(self) -> None:
        self._left: set[int] = set()
        self._all_heard = trio.Event()
        self._until = 0.0

    @property
    def are_awaited(self) -> bool:
        return bool(self._left)

    def call(self, broker_ids: Collection[int], seconds: float) -> None:
        """They have so long to say what they know."""
        self._left = set(broker_ids)
        self._until = trio.current_time() + seconds

    def heard(self, broker_id: int) -> None:
        self._left.discard(broker_id)
        if not self._left:
            self._all_heard.set()

    async def hear(self) -> None:
        """Return once all are heard, or have had their time."""
        with trio.move_on_at(self._until):
            await self._all_heard.wait()
        self._left.clear()
