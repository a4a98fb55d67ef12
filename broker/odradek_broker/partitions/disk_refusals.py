"""Whether a disk takes nothing any more, or has only failed now and then."""

from __future__ import annotations

RECENT_MS = 2_000
"""Without an attempt for so long nothing is known: there may be room again."""


class DiskRefusals:
    """The appends of one partition that its disk has refused, one after the other."""

    def __init__(self) -> None:
        self._first_ms: int | None = None
        self._last_ms = 0

    def refused(self, now_ms: int) -> None:
        if self._first_ms is None or now_ms - self._last_ms > RECENT_MS:
            self._first_ms = now_ms
        self._last_ms = now_ms

    def over(self) -> None:
        """It has taken something, or we are not those who append any more."""
        self._first_ms = None

    def last_for(self, duration_ms: int, now_ms: int) -> bool:
        """Whether all that was tried for so long was refused, up to now."""
        return (
            self._first_ms is not None
            and self._last_ms - self._first_ms >= duration_ms
            and now_ms - self._last_ms <= RECENT_MS
        )
