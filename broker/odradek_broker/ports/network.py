"""The network as the broker sees it: listeners and streams of bytes.

A stream differs from Trio's own in what a log broker needs to be fast: it receives into a buffer that is already there,
it sends a slice of a file without reading it (sendfile), and an operation that can be done at once pays no trip
through the scheduler. So that a busy connection cannot starve the others, a stream makes a full checkpoint after so
many bytes or operations (tcp.py), whichever comes first. Over TLS (tls.py) a slice has to be read, bit by bit.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence, Sized
from typing import Protocol, TypeAlias

Address: TypeAlias = tuple[str, int]


class FileRange(Protocol):
    """Bytes of a file that are to be sent: `FileSlice` of the log is one."""

    position: int
    length: int

    def fileno(self) -> int | None:
        """A descriptor for sendfile, or None where there is none (a simulated disk)."""

    def read(self) -> bytes: ...

    def __len__(self) -> int: ...


class Stream(Protocol):
    """One connection. Raises OSError where the connection is broken."""

    peer: Address
    local: Address
    retires_at: float
    """The moment (Trio's time) from which whoever has connected is to use another one instead."""

    async def open(self) -> bytes | None:
        """Agree with the peer on how to speak; return the certificate that it has shown (DER), if it has shown one.

        To be awaited before anything else by whoever has accepted the stream; who has connected need not.
        """

    async def receive_into(self, room: Callable[[], memoryview]) -> int:
        """Wait for at least one byte; return how many came, 0 where the peer has closed.

        `room` says where to, and is asked when bytes are there: whoever owns the buffer may replace it until then.
        """

    async def send(self, pieces: Sequence[Sized]) -> None:
        """Send bytes-like objects and file ranges, in order, to the last byte."""

    def taken_bytes(self) -> int:
        """How much of what was ever sent the peer's machine has taken, also while `send` is at work."""

    def on_peer_gone(self, tell: Callable[[], None]) -> None:
        """Call once, when the peer has closed its end or the connection is broken, whatever is still unread."""

    def end_receiving(self) -> None:
        """From now on, as if the peer had closed its half: who waits in `receive_into` gets 0."""

    def close(self) -> None:
        """Close at once; whoever waits in `receive_into` or `send` gets an OSError or trio.ClosedResourceError."""


class Listener(Protocol):
    """An open port."""

    address: Address

    async def accept(self) -> Stream: ...

    def close(self) -> None: ...


class Tls(Protocol):
    """How one side of a connection speaks TLS; renewed while it is in use."""

    context: ssl.SSLContext


class Network(Protocol):
    async def listen(self, host: str, port: int, tls: Tls | None = None) -> Listener:
        """Open a port (0: any free one). Raises OSError."""

    async def connect(self, host: str, port: int, tls: Tls | None = None) -> Stream:
        """Reach somebody else's. Raises OSError, also where it is not who it should be."""

    async def touch(self, host: str, port: int) -> None:
        """Return when a system answers at that address for a port that is open, whatever its process does or is.

        Raises OSError, ConnectionRefusedError where the port is closed.
        """

    async def run(self) -> None:
        """Whoever listens has to run this, until cancelled: it sees to `on_peer_gone`."""
