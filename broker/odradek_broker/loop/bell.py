"""What wakes one task again and again."""

from __future__ import annotations

import trio


class Bell:
    """An event that is unset when it has been heard."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        self._event.set()

    def reset(self) -> None:
        """Whatever it was set for has been seen to."""
        self._event = trio.Event()

    async def wait(self) -> None:
        await self._event.wait()
        self._event = trio.Event()
