"""The network as the broker sees it: listeners and streams of bytes.

A stream differs from Trio's own in what a log broker needs to be fast: it receives into a buffer that is already there,
it sends a slice of a file without reading it (sendfile), and an operation that can be done at once pays no trip
through the scheduler. So that a busy connection cannot starve the others, a stream makes a full checkpoint after every
BYTES_BETWEEN_CHECKPOINTS or OPERATIONS_BETWEEN_CHECKPOINTS, whichever comes first.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import sys
from collections.abc import Callable, Sequence, Sized
from typing import Protocol, TypeAlias

import trio

from odradek_broker.ports.hang_ups import HangUps

if sys.platform == "linux":
    import fcntl
    import termios

Address: TypeAlias = tuple[str, int]

BYTES_BETWEEN_CHECKPOINTS = 4 * 1024 * 1024
OPERATIONS_BETWEEN_CHECKPOINTS = 16
READ_INSTEAD_OF_SENDFILE_BYTES = 16 * 1024
BACKLOG = 1024
NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
SHOWN_OUT_AT_ONCE = 128

try:
    MAX_PIECES = os.sysconf("SC_IOV_MAX")
except (AttributeError, OSError, ValueError):
    MAX_PIECES = 16


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


class Network(Protocol):
    async def listen(self, host: str, port: int) -> Listener:
        """Open a port (0: any free one). Raises OSError."""

    async def connect(self, host: str, port: int) -> Stream:
        """Reach somebody else's. Raises OSError."""

    async def run(self) -> None:
        """Whoever listens has to run this, until cancelled: it sees to `on_peer_gone`."""


class TcpStream:
    """A stream over a real, non-blocking socket."""

    def __init__(self, connected: socket.socket, hang_ups: HangUps | None = None) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _probe_when_silent(connected)
        self._socket = connected
        self._hang_ups = hang_ups
        self.peer: Address = connected.getpeername()[:2]
        self.local: Address = connected.getsockname()[:2]
        self._sent_bytes = 0
        self._operations = 0
        self._bytes = 0

    async def receive_into(self, room: Callable[[], memoryview]) -> int:
        while True:
            try:
                count = self._socket.recv_into(room())
            except BlockingIOError:
                self._operations = self._bytes = 0
                await trio.lowlevel.wait_readable(self._socket)
                continue
            await self._pay(count)
            return count

    async def send(self, pieces: Sequence[Sized]) -> None:
        buffers: list[memoryview] = []
        for piece in pieces:
            if isinstance(piece, bytes | bytearray | memoryview):
                buffers.append(memoryview(piece))
            elif len(piece):
                await self._send_range(buffers, piece)  # type: ignore[arg-type]
                buffers = []
        if buffers:
            await self._send_buffers(buffers)

    def taken_bytes(self) -> int:
        return self._sent_bytes - _untaken_bytes(self._socket)

    def on_peer_gone(self, tell: Callable[[], None]) -> None:
        if self._hang_ups is not None:
            self._hang_ups.watch(self._socket, tell)

    def end_receiving(self) -> None:
        with contextlib.suppress(OSError):  # the peer may have gone
            self._socket.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            if self._hang_ups is not None:
                self._hang_ups.forget(self._socket)
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    async def _send_range(self, buffers: list[memoryview], piece: FileRange) -> None:
        descriptor = piece.fileno()
        if descriptor is None or len(piece) <= READ_INSTEAD_OF_SENDFILE_BYTES or not hasattr(os, "sendfile"):
            buffers.append(memoryview(piece.read()))
            await self._send_buffers(buffers)
        else:
            await self._send_buffers(buffers)
            await self._send_file(descriptor, piece.position, len(piece))

    async def _send_buffers(self, buffers: list[memoryview]) -> None:
        while buffers:
            try:
                sent = self._socket.sendmsg(buffers[:MAX_PIECES])
            except BlockingIOError:
                self._operations = self._bytes = 0
                await trio.lowlevel.wait_writable(self._socket)
                continue
            self._sent_bytes += sent
            await self._pay(sent)
            while buffers and sent >= len(buffers[0]):
                sent -= len(buffers.pop(0))
            if sent:
                buffers[0] = buffers[0][sent:]

    async def _send_file(self, descriptor: int, position: int, length: int) -> None:
        while length:
            try:
                sent = os.sendfile(self._socket.fileno(), descriptor, position, length)
            except BlockingIOError:
                self._operations = self._bytes = 0
                await trio.lowlevel.wait_writable(self._socket)
                continue
            if sent == 0:
                raise OSError(f"file ended {length} bytes before the slice that was to be sent")
            position += sent
            length -= sent
            self._sent_bytes += sent
            await self._pay(sent)

    async def _pay(self, count: int) -> None:
        """Let others run now and then, and notice a cancellation always."""
        self._operations += 1
        self._bytes += count
        if self._operations >= OPERATIONS_BETWEEN_CHECKPOINTS or self._bytes >= BYTES_BETWEEN_CHECKPOINTS:
            self._operations = self._bytes = 0
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()


class TcpListener:
    """A real listening socket.

    It keeps a descriptor in reserve: where there are none left, somebody can be let in by it, and shown out. Else all
    who wait at the door would wait for nothing.
    """

    def __init__(self, listening: socket.socket, hang_ups: HangUps) -> None:
        self._socket = listening
        self._hang_ups = hang_ups
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
                return TcpStream(connected, self._hang_ups)
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

    async def run(self) -> None:
        await self._hang_ups.run()

    async def listen(self, host: str, port: int) -> TcpListener:
        try:
            return TcpListener(await _listening(host, port), self._hang_ups)
        except OSError as error:
            raise OSError(error.errno, f"cannot listen at {host}:{port}: {error.strerror}") from error

    async def connect(self, host: str, port: int) -> TcpStream:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        error: OSError = ConnectionRefusedError(f"{host}:{port} has no address")
        for family, _, _, _, address in found:
            connecting = trio.socket.socket(family, socket.SOCK_STREAM)
            try:
                await connecting.connect(address)
                return TcpStream(_taken_from(connecting))
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


def _probe_when_silent(connected: socket.socket) -> None:
    """A machine that has gone without a word is noticed after two minutes, also where nothing is to be sent to it."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _untaken_bytes(connected: socket.socket) -> int:
    """What this machine still keeps of what was sent."""
    if sys.platform != "linux":
        return 0
    try:
        kept: int = struct.unpack("i", fcntl.ioctl(connected, termios.TIOCOUTQ, bytes(4)))[0]
    except OSError:
        return 0
    return kept


def _taken_from(connected: trio.socket.SocketType) -> socket.socket:
    """The plain socket in Trio's, which is Trio's no longer."""
    return socket.socket(connected.family, connected.type, connected.proto, fileno=connected.detach())
