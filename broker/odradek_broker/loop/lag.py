"""How far the loop is behind its beats, and what has held it: decided here, and told the time by who watches it.

A loop that is held for HELD_MS is spoken of, once in QUIET_MS at the most; all of it can be asked for (DescribeLoop).
While there is next to nothing to do beats are few, for they would be most of what an idle broker costs: what holds the
loop for less than IDLE_BEAT_MS, and comes first after a rest, may be seen for shorter than it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable

BEAT_MS = 20
IDLE_BEAT_MS = 160
IDLE_PART = 0.1
"""Of the time, at work: less than that is a rest."""
LOOK_MS = 40
HELD_MS = 100
QUIET_MS = 10_000
NOBODY_KNOWS = "nobody knows what: even the thread that watches did not run"


class LoopLag:
    """How far the loop is behind, and what it was doing. `beat` belongs to the loop, `look` to the thread beside it."""

    def __init__(self) -> None:
        self.lag_ms = 0.0
        """How late the last beat was."""
        self.longest_ms = 0.0
        """The latest that any beat has been."""
        self.held_count = 0
        """How often one was HELD_MS late."""
        self.last_culprit = ""
        """What held the loop then, the last time."""
        self.unsaid = 0
        """How often the loop was held and nothing said, since something was."""
        self.pause_ms: float = BEAT_MS
        """Until the next beat."""
        self._said_ms = self._due_ms = 0.0
        self._culprit: str | None = None

    def begin(self, now_ms: float) -> None:
        """The first beat is due soon."""
        self._said_ms = now_ms - QUIET_MS
        self._due_ms = now_ms + self.pause_ms

    def beat(self, now_ms: float, worked_ms: float = math.inf) -> str | None:
        """Say that the loop runs; return what has held it, where that has lasted for long and is to be said.

        `worked_ms`: for how long it has been at work since the last beat.
        """
        self.lag_ms = max(now_ms - self._due_ms, 0.0)
        self.longest_ms = max(self.longest_ms, self.lag_ms)
        rests = self.lag_ms < LOOK_MS and worked_ms < IDLE_PART * self.pause_ms
        self.pause_ms = min(2 * self.pause_ms, IDLE_BEAT_MS) if rests else BEAT_MS
        self._due_ms = now_ms + self.pause_ms
        culprit, self._culprit = self._culprit, None
        if self.lag_ms < HELD_MS:
            return None
        self.held_count += 1
        self.last_culprit = culprit = culprit or NOBODY_KNOWS
        if now_ms - self._said_ms < QUIET_MS:
            self.unsaid += 1
            return None
        self._said_ms = now_ms
        return culprit

    def look_in_ms(self, now_ms: float) -> float:
        """When the thread has to look next: a loop that beats in time needs no look."""
        return max(self._due_ms + LOOK_MS - now_ms, LOOK_MS)

    def look(self, now_ms: float, what_runs: Callable[[], str]) -> None:
        """Note what the loop is at, where it is overdue; of one long hold the last look counts."""
        if now_ms - self._due_ms >= LOOK_MS:
            self._culprit = what_runs()
