"""Time as the broker sees it: a port, so that a simulation can own it.

Two clocks that must not be confused. `now_ms` is the wall clock, for timestamps that people and clients see; it may
jump. `monotonic_ms` never falls: every deadline, lease and timeout is measured with it.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Milliseconds, whole."""

    def now_ms(self) -> int: ...

    def monotonic_ms(self) -> int: ...


class SystemClock:
    """The operating system's."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000
