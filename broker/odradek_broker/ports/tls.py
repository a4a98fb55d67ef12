"""A stream over TLS, by OpenSSL on the socket itself: what is received is decrypted straight into the buffer.

What is sent goes in chunks of CHUNK_BYTES, a slice of a file is read by as much: OpenSSL copies each once, encrypted.
A chunk that could not be sent at once has to be offered again as it is, so nothing else may be sent in between.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, cast

import trio

from odradek_broker.ports.handshakes import HandshakeFailed
from odradek_broker.ports.tcp import TcpStream

if TYPE_CHECKING:
    from odradek_broker.ports.handshakes import Handshakes
    from odradek_broker.ports.hang_ups import HangUps
    from odradek_broker.ports.network import FileRange

CHUNK_BYTES = 64 * 1024
RECEIVED_AT_ONCE_BYTES = 256 * 1024


class TlsStream(TcpStream):
    """With a `server_name` it is our side that has connected, and that is whom the other side has to be."""

    def __init__(
        self,
        connected: socket.socket,
        context: ssl.SSLContext,
        handshakes: Handshakes,
        hang_ups: HangUps | None = None,
        server_name: str | None = None,
    ) -> None:
        super().__init__(connected, hang_ups)
        self._context = context
        self._handshakes = handshakes
        self._server_name = server_name
        self._tls: ssl.SSLSocket

    async def open(self) -> bytes | None:
        with self._handshakes.place():
            if self._server_name is None:
                await trio.lowlevel.wait_readable(self._socket)  # who says nothing costs no more than a socket
            self._socket = self._tls = self._context.wrap_socket(
                self._socket,
                server_side=self._server_name is None,
                do_handshake_on_connect=False,
                server_hostname=self._server_name,
            )
            try:
                while (wait := await self._handshakes.step(self._tls.do_handshake)) is not None:
                    await wait(self._tls.fileno())
            except ssl.SSLEOFError:
                raise ConnectionResetError("the peer has gone before it was known who it is") from None
            except ssl.SSLError as error:
                raise HandshakeFailed(f"TLS: {_reason(error)}") from None
        return self._tls.getpeercert(binary_form=True)

    async def receive_into(self, room: Callable[[], memoryview]) -> int:
        while True:
            try:
                count = self._receive_nowait(room()[:RECEIVED_AT_ONCE_BYTES])
            except ssl.SSLWantReadError:
                self._operations = self._bytes = 0
                await trio.lowlevel.wait_readable(self._tls)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(self._tls)
            else:
                await self._pay(count)
                return count

    def _receive_nowait(self, room: memoryview) -> int:
        """As many records as are there. Raises ssl.SSLWantReadError where there is none."""
        filled = 0
        while filled < len(room):
            try:
                count = self._tls.recv_into(room[filled:])
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if filled:
                    return filled
                raise
            if count == 0:
                break
            filled += count
        return filled

    async def send(self, pieces: Sequence[Sized]) -> None:
        for chunk in _chunks(pieces):
            while True:
                try:
                    self._tls.send(chunk)
                except ssl.SSLWantWriteError:
                    self._operations = self._bytes = 0
                    await trio.lowlevel.wait_writable(self._tls)
                except ssl.SSLWantReadError:
                    await trio.lowlevel.wait_readable(self._tls)
                else:
                    break
            self._sent_bytes += len(chunk)
            await self._pay(len(chunk))

    def end_receiving(self) -> None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RD)  # that of SSLSocket would forget about TLS

    def close(self) -> None:
        if self._socket.fileno() >= 0 and isinstance(self._socket, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self._socket.unwrap()  # says farewell, and waits for no answer
        super().close()


def _chunks(pieces: Sequence[Sized]) -> Iterator[bytes | memoryview]:
    """Small pieces together, large ones apart."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        for part in _parts(piece):
            if len(part) >= CHUNK_BYTES:
                if gathered:
                    yield b"".join(gathered)
                    gathered, size = [], 0
                yield part
                continue
            gathered.append(cast("bytes", part))
            size += len(part)
            if size >= CHUNK_BYTES:
                yield b"".join(gathered)
                gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


def _parts(piece: Sized) -> Iterator[bytes | memoryview]:
    if not isinstance(piece, bytes | bytearray | memoryview):
        yield from _read_in_parts(cast("FileRange", piece))
        return
    view = memoryview(piece)
    for begin in range(0, len(view), CHUNK_BYTES):
        yield view[begin : begin + CHUNK_BYTES]


def _read_in_parts(piece: FileRange) -> Iterator[bytes]:
    """Raises OSError where the file ends before the slice does."""
    descriptor, position, end = piece.fileno(), piece.position, piece.position + len(piece)
    if descriptor is None:
        yield piece.read()
        return
    while position < end:
        part = os.pread(descriptor, min(CHUNK_BYTES, end - position), position)
        if not part:
            raise OSError(f"file ended {end - position} bytes before the slice that was to be sent")
        position += len(part)
        yield part


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the other side's certificate is not believed: {error.verify_message}"
    return (error.reason or str(error)).lower().replace("_", " ")
