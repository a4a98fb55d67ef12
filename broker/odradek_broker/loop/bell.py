"""What wakes one task again and again."""

from __future__ import annotations

import trio


class Bell:
    """An event that is unset when it has been heard."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event = trio.Event()
