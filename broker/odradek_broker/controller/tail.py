"""The newest metadata records, for brokers that follow: who has fallen behind them gets a snapshot instead."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

MAX_RECORDS = 20_000


class MetadataTail:
    """Framed records, without a gap."""

    def __init__(self, end_offset: int) -> None:
        """Nothing so far; the next record has this offset."""
        self._frames: deque[bytes] = deque(maxlen=MAX_RECORDS)
        self._end_offset = end_offset

    def add(self, first_offset: int, frames: Sequence[bytes]) -> None:
        assert first_offset == self._end_offset
        self._frames.extend(frames)
        self._end_offset = first_offset + len(frames)

    def since(self, offset: int) -> list[bytes] | None:
        """The records from an offset on; None where that is too long ago, or yet to come."""
        count = self._end_offset - offset
        if not 0 <= count <= len(self._frames):
            return None
        return list(self._frames)[len(self._frames) - count :]
