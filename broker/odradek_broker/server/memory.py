"""The budget of memory for requests that are still arriving.

Every connection has a small buffer of its own; what a large frame needs beyond that is taken from here, piece by piece
as its bytes come, and given back when the connection falls quiet, or at once where others wait. Who asks for more than
is left waits its turn.

Frames that have each come in part must not wait for each other for ever. So one at a time may exceed the budget, by no
more than the rest of its frame: the first that would have to wait, until it gives back what it has.
"""

from __future__ import annotations

import trio


class MemoryBudget:
    """A number of bytes that connections share. First come, first served."""

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self._queue = trio.lowlevel.ParkingLot()
        self._exceeding: object | None = None

    @property
    def is_short(self) -> bool:
        """Somebody waits, or exceeds the budget: what is not needed is to be given back at once."""
        return self._exceeding is not None or bool(self._queue)

    async def take(self, count: int, taker: object) -> None:
        """Wait until `count` bytes are to be had, and take them."""
        while self.used_bytes + count > self.capacity_bytes and not self._may_exceed(taker):
            await self._queue.park()
        self.used_bytes += count

    def give_back(self, count: int, taker: object) -> None:
        """All that the taker has had, though it be nothing."""
        self.used_bytes -= count
        assert self.used_bytes >= 0
        if self._exceeding is taker:
            self._exceeding = None
        self._queue.unpark_all()

    def _may_exceed(self, taker: object) -> bool:
        if self._exceeding is None:
            self._exceeding = taker
        return self._exceeding is taker
