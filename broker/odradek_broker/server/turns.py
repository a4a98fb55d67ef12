"""Turns of strangers: one of them takes a step in a round of the loop, so that whoever is inside is served between.

Addresses take turns, so that thousands of connections of one of them keep nobody else waiting. Who has the turn hands
it on as they take their step: the next one wakes in the round after it.
"""

from __future__ import annotations

from trio.lowlevel import ParkingLot, checkpoint


class Turns:
    """Of one listener."""

    def __init__(self) -> None:
        self.waiting: dict[str, ParkingLot] = {}
        """By address, of those from which somebody waits."""
        self._is_given = False
        """Whether somebody has the turn of the coming round."""

    async def wait(self, host: str) -> None:
        """Return in a round in which nobody else steps."""
        if self._is_given:
            await self._park(host)
            self._hand_on()
            return
        self._is_given = True
        try:
            await checkpoint()
        finally:
            self._hand_on()

    async def _park(self, host: str) -> None:
        lot = self.waiting.setdefault(host, ParkingLot())
        try:
            await lot.park()
        finally:
            if not lot and self.waiting.get(host) is lot:
                del self.waiting[host]

    def _hand_on(self) -> None:
        while self.waiting:
            host = next(iter(self.waiting))
            lot = self.waiting.pop(host)
            woken = lot.unpark()
            if lot:
                self.waiting[host] = lot  # behind the others
            if woken:
                return
        self._is_given = False
