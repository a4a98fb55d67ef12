"""Why things wait, for how long: what `health()` tells.

Each part of a client that can be stuck says so while it is: `with activities.waiting("group billing", "join ...")`.
An entry is a sentence for people; `since_s` is what an alarm looks at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio
from msgspec import Struct


class Waiting(Struct, frozen=True):
    """One thing that is being waited for."""

    who: str
    why: str
    since_s: float
    """Age in seconds."""

    def __str__(self) -> str:
        return f"{self.who}: {self.why} (for {self.since_s:.1f} s)"


class Activities:
    """The waits that are going on at the moment."""

    def __init__(self) -> None:
        self._waits: dict[str, tuple[str, float]] = {}

    @contextmanager
    def waiting(self, who: str, why: str) -> Iterator[None]:
        """Say that `who` waits, for as long as the block runs. The age counts from the first of nested waits."""
        before = self._waits.get(who)
        self._waits[who] = (why, before[1] if before else trio.current_time())
        try:
            yield
        finally:
            if before is None:
                self._waits.pop(who, None)
            else:
                self._waits[who] = before

    def begin(self, who: str, why: str) -> None:
        """Say that `who` waits from now on; a repeated call changes the reason and keeps the age."""
        before = self._waits.get(who)
        self._waits[who] = (why, before[1] if before else trio.current_time())

    def end(self, who: str) -> None:
        self._waits.pop(who, None)

    def now(self) -> list[Waiting]:
        """Oldest first."""
        now = trio.current_time()
        waits = [Waiting(who, why, now - since) for who, (why, since) in self._waits.items()]
        return sorted(waits, key=lambda wait: -wait.since_s)
