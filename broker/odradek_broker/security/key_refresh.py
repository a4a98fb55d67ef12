"""When the keys of an identity provider are fetched: again and again, and soon where a token names one that is unknown.

Whoever makes up names of keys cannot have the provider asked more often than every BETWEEN_MS. Times are monotonic.
"""

from __future__ import annotations

BETWEEN_MS = 10_000


class KeyRefresh:
    """Of one provider. `due_ms` is when to ask next."""

    def __init__(self, refresh_ms: int, backoff_ms: int, max_backoff_ms: int) -> None:
        self.due_ms = 0
        self._refresh_ms = refresh_ms
        self._backoff_ms = backoff_ms
        self._max_backoff_ms = max_backoff_ms
        self._failures = 0
        self._asked_ms = -BETWEEN_MS

    def fetched(self, now_ms: int) -> None:
        self._failures, self._asked_ms = 0, now_ms
        self.due_ms = now_ms + self._refresh_ms

    def failed(self, now_ms: int) -> None:
        self._asked_ms = now_ms
        self.due_ms = now_ms + min(self._backoff_ms << min(self._failures, 32), self._max_backoff_ms)
        self._failures += 1

    def missed(self, now_ms: int) -> None:
        """A token has named a key that is not known."""
        self.due_ms = min(self.due_ms, max(now_ms, self._asked_ms + BETWEEN_MS))
