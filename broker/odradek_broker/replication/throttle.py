"""How much replication may take: bytes a second, for those replicas that somebody has named (KIP-73).

Only catching up is held back. A replica in sync is never throttled: that would hold up every producer.
"""

from __future__ import annotations

MOST_DEBT_S = 10
"""As far as Kafka's window looks back (replication.quota.window.num)."""


class Throttle:
    """One side of a broker's. Up to a second's worth may go at once; what goes beyond is paid back by waiting.

    Replicas in sync count too, which nothing holds back: so of what went long ago nothing is left to pay.
    """

    def __init__(self) -> None:
        self._left_bytes = 0.0
        self._at_ms: int | None = None

    def is_exceeded(self, bytes_per_s: int, now_ms: int) -> bool:
        """Whether nothing more may go for now."""
        return self._left(bytes_per_s, now_ms) <= 0

    def note(self, size_bytes: int, bytes_per_s: int, now_ms: int) -> None:
        """So much has gone."""
        self._left_bytes = self._left(bytes_per_s, now_ms) - size_bytes
        self._at_ms = now_ms

    def _left(self, bytes_per_s: int, now_ms: int) -> float:
        if self._at_ms is None:
            return float(bytes_per_s)
        owed = max(self._left_bytes, -float(bytes_per_s * MOST_DEBT_S))
        return min(owed + bytes_per_s * (now_ms - self._at_ms) / 1000, float(bytes_per_s))
