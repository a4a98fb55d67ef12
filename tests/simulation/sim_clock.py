"""A machine's clocks in virtual time: each runs at a rate of its own, and the wall clock may jump besides.

The monotonic clock never falls and never jumps, whatever its rate is set to: leases, sessions, deadlines count by it.
How long a `trio.sleep` takes is the world's time, not the machine's: a broker's timers are as good as the world's, its
clocks need not be.
"""

from __future__ import annotations

import trio

EPOCH_MS = 1_700_000_000_000
SLOWEST, FASTEST = 0.95, 1.05
"""Far worse than any quartz: what holds with these holds."""


class SimClock:
    """A Clock. Only inside of `trio.run`."""

    def __init__(self, rate: float = 1.0) -> None:
        self._rate = rate
        self._since_s = 0.0
        """Of the world: since then the rate has been what it is."""
        self._shown_s = 0.0
        """By the monotonic clock, at that moment."""
        self._wall_ahead_ms = 0

    @property
    def rate(self) -> float:
        """How fast it runs beside the world's time."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        assert rate > 0, "a monotonic clock does not fall"
        self._shown_s, self._since_s = self._monotonic_s(), trio.current_time()
        self._rate = rate

    def jump(self, ms: int) -> None:
        """Of the wall clock, forwards or backwards: somebody has set it."""
        self._wall_ahead_ms += ms

    def now_ms(self) -> int:
        return EPOCH_MS + self._wall_ahead_ms + self.monotonic_ms()

    def monotonic_ms(self) -> int:
        return int(self._monotonic_s() * 1000)

    def _monotonic_s(self) -> float:
        return self._shown_s + (trio.current_time() - self._since_s) * self._rate
