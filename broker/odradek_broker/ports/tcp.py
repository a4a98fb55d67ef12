"""A stream over a plain TCP socket: no copy where there need not be one, no trip through the scheduler neither."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import struct
import sys
from collections.abc import Callable, Sequence, Sized
from typing import TYPE_CHECKING

import trio

from odradek_broker.ports.addresses import plain_address

if TYPE_CHECKING:
    from odradek_broker.ports.hang_ups import HangUps
    from odradek_broker.ports.network import Address, FileRange

if sys.platform == "linux":
    import fcntl
    import termios

BYTES_BETWEEN_CHECKPOINTS = 4 * 1024 * 1024
OPERATIONS_BETWEEN_CHECKPOINTS = 16
BYTES_LIKE = (bytes, bytearray, memoryview)
READ_INSTEAD_OF_SENDFILE_BYTES = 16 * 1024
MORE_FOLLOWS = getattr(socket, "MSG_MORE", 0)
"""What comes before a range of a file leaves with its beginning: the peer is not woken for a header alone."""

try:
    MAX_PIECES = os.sysconf("SC_IOV_MAX")
except (AttributeError, OSError, ValueError):
    MAX_PIECES = 16


def _plain(name: tuple[str, int]) -> Address:
    """Of a socket's name, which is longer for IPv6."""
    return plain_address(name[0]), name[1]


class TcpStream:
    """A stream over a real, non-blocking socket."""

    def __init__(self, connected: socket.socket, hang_ups: HangUps | None = None) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _probe_when_silent(connected)
        self._socket = connected
        self._hang_ups = hang_ups
        self.peer = _plain(connected.getpeername())
        self.local = _plain(connected.getsockname())
        self.retires_at = math.inf
        self._sent_bytes = 0
        self._operations = 0
        self._bytes = 0

    async def open(self) -> bytes | None:
        return None

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
        if len(pieces) == 1 and isinstance(pieces[0], bytearray):
            await self._send_one(pieces[0])
            return
        buffers: list[memoryview] = []
        for piece in pieces:
            if isinstance(piece, BYTES_LIKE):
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

    async def _send_one(self, piece: bytearray) -> None:
        """Nearly every answer is one piece, and goes in one go."""
        try:
            sent = self._socket.send(piece)
        except BlockingIOError:
            sent = 0
        self._sent_bytes += sent
        if sent == len(piece):
            await self._pay(sent)
        else:
            await self._send_buffers([memoryview(piece)[sent:]])

    async def _send_range(self, buffers: list[memoryview], piece: FileRange) -> None:
        descriptor = piece.fileno()
        if descriptor is None or len(piece) <= READ_INSTEAD_OF_SENDFILE_BYTES or not hasattr(os, "sendfile"):
            buffers.append(memoryview(piece.read()))
            await self._send_buffers(buffers)
        else:
            await self._send_buffers(buffers, MORE_FOLLOWS)
            await self._send_file(descriptor, piece.position, len(piece))

    async def _send_buffers(self, buffers: list[memoryview], flags: int = 0) -> None:
        while buffers:
            try:
                sent = self._socket.sendmsg(buffers[:MAX_PIECES], (), flags)
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
