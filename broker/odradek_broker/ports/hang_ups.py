"""Who has closed its end of a connection, though nobody reads from it at the moment.

A request that waits keeps its connection from being read, and what its peer has sent behind it keeps a closed end from
being seen. So the operating system is asked for exactly that: a second epoll, which Trio's own watches as one file. A
connection costs one call when it is made, a request none. Where there is no epoll, connections are looked at once a
second, and those that have unread bytes show nothing.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
from collections.abc import Callable

import trio

LOOK_SECONDS = 1.0
MOST_AT_ONCE = 256

logger = logging.getLogger(__name__)


class HangUps:
    """Of all connections of a process."""

    def __init__(self) -> None:
        self._watched: dict[int, tuple[socket.socket, Callable[[], None]]] = {}
        self._epoll = select.epoll() if hasattr(select, "epoll") else None

    def watch(self, connected: socket.socket, tell: Callable[[], None]) -> None:
        """`tell` is called once, when the peer has closed, or the connection is broken; `run` has to be at work."""
        try:
            if self._epoll is not None:
                self._epoll.register(connected, select.EPOLLRDHUP | select.EPOLLONESHOT)
        except (OSError, ValueError) as error:
            logger.warning("the system watches no more connections (%s): some will be kept that have ended", error)
        else:
            self._watched[connected.fileno()] = connected, tell

    def forget(self, connected: socket.socket) -> None:
        """Before it is closed."""
        if self._watched.pop(connected.fileno(), None) is not None and self._epoll is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(connected)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if self._epoll is None:
                await trio.sleep(LOOK_SECONDS)
                gone = [descriptor for descriptor, (connected, _) in self._watched.items() if _has_ended(connected)]
            else:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                gone = [descriptor for descriptor, _ in self._epoll.poll(0, MOST_AT_ONCE)]
            for descriptor in gone:
                watched = self._watched.pop(descriptor, None)
                if watched is not None:
                    watched[1]()


def _has_ended(connected: socket.socket) -> bool:
    try:
        return socket.socket.recv(connected, 1, socket.MSG_PEEK) == b""  # under TLS too the socket's own
    except BlockingIOError:
        return False
    except OSError:
        return True
