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
        self._refill(bytes_per_s, now_ms)
        return self._left_bytes <= 0

    def note(self, size_bytes: int) -> None:
        """So much has gone."""
        self._left_bytes -= size_bytes

    def _refill(self, bytes_per_s: int, now_ms: int) -> None:
        if self._at_ms is None:
            self._left_bytes = float(bytes_per_s)
        else:
            owed = max(self._left_bytes, -float(bytes_per_s * MOST_DEBT_S))
            self._left_bytes = min(owed + bytes_per_s * (now_ms - self._at_ms) / 1000, float(bytes_per_s))
        self._at_ms = now_ms
