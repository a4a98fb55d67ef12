"""The network as the client sees it: a way to open streams of bytes, a port so that a simulation can own it.

A stream receives into a buffer that is already there, sends several pieces in one system call, and does not go through
the scheduler where an operation can be done at once. So that a busy connection cannot starve the rest of the program,
it makes a full checkpoint after every OPERATIONS_BETWEEN_CHECKPOINTS or BYTES_BETWEEN_CHECKPOINTS.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass, field
from random import Random
from typing import Protocol, TypeAlias, cast

import trio

Address: TypeAlias = tuple[str, int]

BYTES_BETWEEN_CHECKPOINTS = 4 * 1024 * 1024
OPERATIONS_BETWEEN_CHECKPOINTS = 16
DEFAULT_PORT = 9092
MAX_PORT = 65535

try:
    MAX_PIECES = os.sysconf("SC_IOV_MAX")
except (AttributeError, OSError, ValueError):
    MAX_PIECES = 16


class Stream(Protocol):
    """One connection. Raises OSError or trio.ClosedResourceError where it is broken."""

    async def receive_into(self, buffer: memoryview) -> int:
        """Wait for at least one byte; return how many came, 0 where the peer has closed."""

    async def send(self, pieces: Sequence[Sized]) -> None:
        """Send bytes-like objects, in order, to the last byte."""

    def close(self) -> None:
        """Close at once; whoever waits in `receive_into` or `send` gets an error."""


class Network(Protocol):
    async def connect(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> Stream:
        """Open a stream, over TLS where it is said how. Raises OSError, also where the other side is not believed."""


class TcpStream:
    """A stream over a real, non-blocking socket."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self._operations = 0
        self._bytes = 0

    async def receive_into(self, buffer: memoryview) -> int:
        while True:
            try:
                count = self._socket.recv_into(buffer)
            except BlockingIOError:
                self._operations = self._bytes = 0
                await trio.lowlevel.wait_readable(self._socket)
                continue
            await self._pay(count)
            return count

    async def send(self, pieces: Sequence[Sized]) -> None:
        buffers = [memoryview(cast(bytes, piece)) for piece in pieces]
        first = 0
        while first < len(buffers):
            try:
                sent = self._socket.sendmsg(buffers[first : first + MAX_PIECES])
            except BlockingIOError:
                self._operations = self._bytes = 0
                await trio.lowlevel.wait_writable(self._socket)
                continue
            await self._pay(sent)
            while first < len(buffers) and sent >= len(buffers[first]):
                sent -= len(buffers[first])
                first += 1
            if sent:
                buffers[first] = buffers[first][sent:]

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    async def _pay(self, count: int) -> None:
        """Let others run now and then, and notice a cancellation always."""
        self._operations += 1
        self._bytes += count
        if self._operations >= OPERATIONS_BETWEEN_CHECKPOINTS or self._bytes >= BYTES_BETWEEN_CHECKPOINTS:
            self._operations = self._bytes = 0
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()


class TlsStream:
    """A stream over TLS, once the handshake is done."""

    def __init__(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        self._stream = stream

    async def receive_into(self, buffer: memoryview) -> int:
        try:
            data = await self._stream.receive_some(len(buffer))
        except trio.BrokenResourceError as error:
            raise OSError(f"TLS: {tls_reason(error.__cause__ or error)}") from None
        buffer[: len(data)] = data
        return len(data)

    async def send(self, pieces: Sequence[Sized]) -> None:
        try:
            await self._stream.send_all(b"".join(cast("Sequence[bytes]", pieces)))
        except trio.BrokenResourceError as error:
            raise OSError(f"TLS: {tls_reason(error.__cause__ or error)}") from None

    def close(self) -> None:
        self._stream.transport_stream.socket.close()


class TcpNetwork:
    """The operating system's network."""

    async def connect(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> Stream:
        try:
            stream = await trio.open_tcp_stream(host, port)
        except ValueError as error:  # a label that is too long, or empty, or has a zero byte
            raise OSError(f"{host!r} is no name of a host: {error}") from None
        if tls is None:
            return TcpStream(_plain_socket(stream))
        over_tls = trio.SSLStream(stream, tls, server_hostname=host, https_compatible=True)
        try:
            await over_tls.do_handshake()
        except BaseException as error:
            stream.socket.close()
            if isinstance(error, trio.BrokenResourceError):
                raise OSError(f"TLS: {tls_reason(error.__cause__ or error)}") from None
            raise
        return TlsStream(over_tls)


def _plain_socket(stream: trio.SocketStream) -> socket.socket:
    """The operating system's socket inside of a Trio stream; the stream lets go of it."""
    return socket.socket(fileno=stream.socket.detach())


def tls_reason(error: BaseException) -> str:
    """Why two sides cannot speak with each other, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not believed: {error.verify_message}"
    reason = getattr(error, "reason", None)
    return reason.lower().replace("_", " ") if isinstance(reason, str) else str(error)


def reason_of(error: BaseException) -> str:
    """The operating system's own words, out of what Trio wraps around them."""
    while error.__cause__ is not None or isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__ or error
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    return os.strerror(error.errno) if error.errno in errno.errorcode else error.strerror or str(error)


def _system_now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Surroundings:
    """What a client takes from the world around it; a simulation hands in its own. Waiting and deadlines are Trio's."""

    network: Network = field(default_factory=TcpNetwork)
    now_ms: Callable[[], int] = _system_now_ms
    """The wall clock, for timestamps of records; never for deadlines."""
    random: Random = field(default_factory=Random)
    """For what only has to be uneven; it can be foreseen."""
    secret_bytes: Callable[[int], bytes] = secrets.token_bytes
    """So many that nobody can foresee, for logins."""


def parse_bootstrap(bootstrap: str | Sequence[str]) -> list[Address]:
    """Addresses out of "host:port,host:port" or a sequence of such; the port may be left out, IPv6 is in brackets.

    Raises ValueError.
    """
    parts = bootstrap.split(",") if isinstance(bootstrap, str) else bootstrap
    if isinstance(parts, bytes) or not isinstance(parts, Iterable) or not all(isinstance(part, str) for part in parts):
        raise TypeError(f'a bootstrap address is "host:port", or several of them, not {bootstrap!r}')
    addresses = [_parse_address(part.strip()) for part in parts if part.strip()]
    if not addresses:
        raise ValueError("no bootstrap address given")
    return addresses


def _parse_address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(DEFAULT_PORT)
    if not port.isdecimal() or not host:
        raise ValueError(f"{text!r} is no host:port")
    if not 1 <= int(port) <= MAX_PORT:
        raise ValueError(f"{text!r}: a port is a number from 1 to {MAX_PORT}")
    return host.strip("[]"), int(port)
