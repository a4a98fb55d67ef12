"""TLS handshakes of one process: how long one may take, how many there may be, and that they hold nothing up.

Invariants
    One step of a handshake, which may cost a signature, in each round of the loop: whoever is inside is served between.
    A handshake that is not done within DEADLINE_SECONDS is over.
    Where more than MOST_UNDER_WAY are under way, the one that has taken longest makes place: who is honest is done
    within milliseconds.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import trio

DEADLINE_SECONDS = 10.0
MOST_UNDER_WAY = 512

Wait: TypeAlias = Callable[[int], Awaitable[None]]


class HandshakeFailed(ConnectionAbortedError):
    """The two sides cannot speak with each other, or will not, or one of them takes too long."""


class Handshakes:
    """Of one process."""

    def __init__(self) -> None:
        self._under_way: dict[trio.CancelScope, None] = {}
        """The one that has taken longest first."""
        self._turn = trio.Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Around one handshake. Raises HandshakeFailed where it was not done in time."""
        with trio.move_on_after(DEADLINE_SECONDS) as scope:
            if len(self._under_way) >= MOST_UNDER_WAY:
                slowest = next(iter(self._under_way))
                del self._under_way[slowest]
                slowest.cancel()
            self._under_way[scope] = None
            try:
                yield
            finally:
                self._under_way.pop(scope, None)
        if scope.cancelled_caught:
            raise HandshakeFailed("TLS: the handshake was not done in time")

    async def step(self, shake: Callable[[], None]) -> Wait | None:
        """Go on with one; return what has to be waited for, or None where it is done. Raises ssl.SSLError."""
        async with self._turn:
            await trio.lowlevel.checkpoint()
            try:
                shake()
            except ssl.SSLWantReadError:
                return trio.lowlevel.wait_readable
            except ssl.SSLWantWriteError:
                return trio.lowlevel.wait_writable
            return None
