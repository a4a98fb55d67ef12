"""Two small ways to wait: for a nudge, and for a value that changes."""

from __future__ import annotations

import trio


class Wakeup:
    """A nudge for one waiting task. A nudge given while nobody waits is kept, several are one."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, deadline: float | None = None) -> None:
        """Wait for a nudge, or until `deadline` on Trio's clock."""
        if deadline is None:
            await self._event.wait()
        else:
            with trio.move_on_at(deadline):
                await self._event.wait()
        if self._event.is_set():
            self._event = trio.Event()


class Changes:
    """Any number of tasks wait until something has changed; whoever changes it says so."""

    def __init__(self) -> None:
        self._event: trio.Event | None = None

    def announce(self) -> None:
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Wait for the next `announce`. Check your condition before; nothing can slip in between."""
        if self._event is None:
            self._event = trio.Event()
        await self._event.wait()
