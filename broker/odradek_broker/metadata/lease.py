"""A broker's lease: for how long it may act as a leader, unless it hears more.

It lasts for so long as the answer to a heartbeat has said, counted from when that heartbeat was *sent*. The controller
counts a span from when it came, which is later, and longer than the term that it tells (heartbeats.py). So a leader
that is cut off stops before another can be elected. How long a span is only the controller knows.

Only the controller's own answer extends it. That its host takes what is sent would not do: a proxy in between takes it
too, and so does the kernel of a controller that hangs while another one decides.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from odradek_broker.ports.clock import Clock

logger = logging.getLogger(__name__)


class Lease:
    """Of one broker; by the clock that only runs forward."""

    def __init__(self, clock: Clock) -> None:
        self.until_ms = -1
        """It is held until then."""
        self._clock = clock
        self._granted_until_ms = -1
        self._granted_at = -1
        """The offset of the metadata at which the controller gave it, after we had none."""
        self._taken_up = -1
        self._news = trio.Event()
        self._is_taken_away = False
        """Whether it has been said to be over, rather than run out."""
        self._is_over_for_good = False

    @property
    def is_held(self) -> bool:
        return self._clock.monotonic_ms() < self.until_ms

    @property
    def is_granted(self) -> bool:
        """Whether the controller lets nobody else lead; it is held once we have taken up what it had decided before."""
        return self._clock.monotonic_ms() < self._granted_until_ms

    async def watch(self, on_change: Callable[[bool], None]) -> None:
        """Say each time that it has run out, or is there again, until cancelled."""
        while True:
            left_ms = self.until_ms - self._clock.monotonic_ms()
            if left_ms > 0:
                with trio.move_on_after(left_ms / 1000):
                    await self._news.wait()
            else:
                if self.until_ms >= 0 and not (self._is_taken_away or self._is_over_for_good):
                    logger.warning("no controller has answered in time: this broker leads nothing until one does")
                on_change(False)
                while not self.is_held:
                    await self._news.wait()
                on_change(True)

    def end_for_good(self) -> None:
        """This broker stops."""
        self._is_over_for_good = True
        self._set(self._clock.monotonic_ms())

    def grant(self, until_ms: int, offset: int) -> None:
        """The controller, whose metadata had come to that offset, lets it last until then at least."""
        self._is_taken_away = False
        if not self.is_granted:
            self._granted_at = offset
        self._granted_until_ms = max(self._granted_until_ms, until_ms)
        self._hold_what_is_granted()

    def took_up(self, offset: int) -> None:
        """We act upon the metadata up to that offset."""
        self._taken_up = offset
        if self.until_ms < self._granted_until_ms:
            self._hold_what_is_granted()

    def go_on(self, until_ms: int) -> None:
        """It lasts until then at least, if it is held."""
        if self.is_held:
            self.grant(until_ms, self._granted_at)

    def end(self, at_ms: int) -> None:
        """It was over then: what has come later does not count."""
        self._is_taken_away = True
        self._granted_until_ms = min(self._granted_until_ms, at_ms)
        self._set(min(self.until_ms, at_ms))

    def _hold_what_is_granted(self) -> None:
        if self._taken_up >= self._granted_at and not self._is_over_for_good:
            self._set(max(self.until_ms, self._granted_until_ms))

    def _set(self, until_ms: int) -> None:
        self.until_ms = until_ms
        self._news.set()
        self._news = trio.Event()
