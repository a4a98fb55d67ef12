"""Whether what a peer has to do goes on: a slow peer is not a dead peer, and one that stands still is not waited for.

No await here. A deadline counts from the last progress, and progress is a number of bytes: who brings, or takes, fewer
than LEAST_BYTES within the deadline stands still, however regularly each of them comes.
"""

from __future__ import annotations

DEADLINE_MS = 30_000
LEAST_BYTES = 32 * 1024
"""Within DEADLINE_MS: about a kilobyte a second."""

HURRIED_DEADLINE_MS = 5_000
HURRIED_BYTES = 20 * 1024 * 1024
"""The same for who has what others wait for."""

UNKNOWN = -1


class Progress:
    """One transfer after another: the bytes of a frame that arrive, or those of an answer that the peer takes."""

    def __init__(self) -> None:
        self.since_ms = UNKNOWN
        """When the peer last did enough, or was first expected to; UNKNOWN while nothing is expected of it."""
        self._bytes = UNKNOWN
        self._hurried = False

    def begin(self, now_ms: int) -> None:
        """From now on the peer is expected to do something."""
        self.since_ms = now_ms
        self._bytes = UNKNOWN

    def is_over(self, total_bytes: int, now_ms: int, *, hurried: bool = False) -> bool:
        """Whether the deadline has passed; `total_bytes`: all that the peer has brought or taken since it connected."""
        if hurried and not self._hurried and total_bytes > self._bytes != UNKNOWN:
            self.begin(now_ms)  # it was not told before, and is at work
        self._hurried = hurried
        least, deadline_ms = (HURRIED_BYTES, HURRIED_DEADLINE_MS) if hurried else (LEAST_BYTES, DEADLINE_MS)
        if self._bytes == UNKNOWN:
            self._bytes = total_bytes
        elif total_bytes - self._bytes >= least:
            self.since_ms, self._bytes = now_ms, total_bytes
        return now_ms - self.since_ms >= deadline_ms
