"""The operating system's network: real ports, and connections to others."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from odradek_broker.ports.handshakes import Handshakes
from odradek_broker.ports.hang_ups import HangUps
from odradek_broker.ports.tcp import TcpStream
from odradek_broker.ports.tls import TlsStream

if TYPE_CHECKING:
    from odradek_broker.ports.network import Address, Tls

BACKLOG = 1024
NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
SHOWN_OUT_AT_ONCE = 128
RESOLVING = 16
"""Names at a time."""

Found: TypeAlias = tuple[int, int, int, str, Any]
"""What getaddrinfo says of an address."""


class TcpListener:
    """A real listening socket.

    It keeps a descriptor in reserve: where there are none left, somebody can be let in by it, and shown out. Else all
    who wait at the door would wait for nothing.
    """

    def __init__(self, listening: socket.socket, take_in: Callable[[socket.socket], TcpStream]) -> None:
        self._socket = listening
        self._take_in = take_in
        self._spare = os.open(os.devnull, os.O_RDONLY)
        self.address: Address = listening.getsockname()[:2]

    async def accept(self) -> TcpStream:
        while True:
            try:
                connected, _ = self._socket.accept()
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._socket)
                continue
            except OSError as error:
                if error.errno in NO_DESCRIPTORS:
                    self._show_out()
                raise
            try:
                return self._take_in(connected)
            except OSError:
                connected.close()  # gone again between accept and here

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
            self._give_up_spare()

    def _show_out(self) -> None:
        """Whoever waits at the door, or some of them."""
        self._give_up_spare()
        with contextlib.suppress(OSError):
            for _ in range(SHOWN_OUT_AT_ONCE):
                self._socket.accept()[0].close()
        with contextlib.suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY)

    def _give_up_spare(self) -> None:
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1


class TcpNetwork:
    """The operating system's network."""

    def __init__(self) -> None:
        self._hang_ups = HangUps()
        self._handshakes = Handshakes()
        self._resolving = trio.CapacityLimiter(RESOLVING)

    async def run(self) -> None:
        await self._hang_ups.run()

    async def listen(self, host: str, port: int, tls: Tls | None = None) -> TcpListener:
        def take_in(connected: socket.socket) -> TcpStream:
            if tls is None:
                return TcpStream(connected, self._hang_ups)
            return TlsStream(connected, tls.context, self._handshakes, self._hang_ups)

        try:
            return TcpListener(await _listening(host, port), take_in)
        except OSError as error:
            raise OSError(error.errno, f"cannot listen at {host}:{port}: {error.strerror}") from error

    async def connect(self, host: str, port: int, tls: Tls | None = None) -> TcpStream:
        connected = await self._connect(host, port)
        if tls is None:
            return TcpStream(connected)
        stream = TlsStream(connected, tls.context, self._handshakes, server_name=host)
        try:
            await stream.open()
        except BaseException:
            stream.close()
            raise
        return stream

    async def touch(self, host: str, port: int) -> None:
        (await self._connect(host, port)).close()

    async def _addresses(self, host: str, port: int) -> Sequence[Found]:
        """By threads of our own: where names are not resolved they wait for long, and those that write are others."""
        find: Callable[..., Sequence[Found]] = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            with contextlib.suppress(socket.gaierror):
                return find(flags=socket.AI_NUMERICHOST)  # no name, so nobody is asked
            return await trio.to_thread.run_sync(find, abandon_on_cancel=True, limiter=self._resolving)
        except ValueError as error:  # a label that is too long, or empty, or has a zero byte
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is no name: {error}") from None

    async def _connect(self, host: str, port: int) -> socket.socket:
        found = await self._addresses(host, port)
        error: OSError = ConnectionRefusedError(f"{host}:{port} has no address")
        for family, _, _, _, address in found:
            connecting = trio.socket.socket(family, socket.SOCK_STREAM)
            try:
                await connecting.connect(address)
                return _taken_from(connecting)
            except OSError as failed:
                error = failed
                connecting.close()
            except BaseException:
                connecting.close()
                raise
        raise error


async def _listening(host: str, port: int) -> socket.socket:
    found = await trio.socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setblocking(False)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _taken_from(connected: trio.socket.SocketType) -> socket.socket:
    """The plain socket in Trio's, which is Trio's no longer."""
    return socket.socket(connected.family, connected.type, connected.proto, fileno=connected.detach())
