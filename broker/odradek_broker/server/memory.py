"""The budget of memory for requests that are still arriving.

Every connection has a small buffer of its own; what a large frame needs beyond that is taken from here, piece by piece
as its bytes come, and given back when the connection falls quiet. Who asks for more than is left waits its turn.
"""

from __future__ import annotations

import trio


class MemoryBudget:
    """A number of bytes that connections share. First come, first served."""

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self._queue = trio.lowlevel.ParkingLot()

    async def take(self, count: int) -> None:
        """Wait until `count` bytes are to be had, and take them."""
        while self.used_bytes and self.used_bytes + count > self.capacity_bytes:
            await self._queue.park()
        self.used_bytes += count

    def give_back(self, count: int) -> None:
        self.used_bytes -= count
        assert self.used_bytes >= 0
        self._queue.unpark_all()
