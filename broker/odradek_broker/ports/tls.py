"""A stream over TLS: OpenSSL in memory, and the socket read and written here.

OpenSSL on the socket itself would be no faster, and nothing could interrupt it: one call of it goes on for as long as
there come records that are no data. Anybody can send changes of keys for ever, before any login. So it is given no more
than ENCRYPTED_AT_ONCE bytes at a time, and whoever makes it work for little data pays with a checkpoint each time.

What is sent goes in chunks of CHUNK_BYTES; a slice of a file is read by as much.
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
RECORD_BYTES = 16 * 1024
"""The data of one record of TLS, at most."""
ENCRYPTED_AT_ONCE = 24 * 1024
"""Changes of keys in so much keep OpenSSL busy for some ten milliseconds."""
MOST_UNASKED_BYTES = 64 * 1024
"""What OpenSSL may want to say of its own accord and nobody fetches."""


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
        self._encrypted, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject
        self._is_open = self._is_sending = False

    async def open(self) -> bytes | None:
        is_server = self._server_name is None
        with self._handshakes.place():
            if is_server:
                await trio.lowlevel.wait_readable(self._socket)  # who says nothing costs no more than a socket
            self._tls = self._context.wrap_bio(self._encrypted, self._to_send, is_server, self._server_name)
            try:
                while await self._handshakes.step(self._tls.do_handshake) is not None:
                    await self._flush()
                    await self._take_encrypted()
            except ssl.SSLEOFError:
                raise ConnectionResetError("the peer has gone before it was known who it is") from None
            except ssl.SSLError as error:
                self._flush_nowait()  # it is told why
                raise HandshakeFailed(f"TLS: {_reason(error)}") from None
            await self._flush()
        self._is_open = True
        return self._tls.getpeercert(binary_form=True)

    async def receive_into(self, room: Callable[[], memoryview]) -> int:
        taken = 0
        while True:
            try:
                count = self._decrypt(room())
            except ssl.SSLWantReadError:
                if taken:
                    await trio.lowlevel.checkpoint()
                taken += await self._take_encrypted()
                continue
            if taken > 2 * count:
                await trio.lowlevel.checkpoint()
            await self._pay(count)
            return count

    def _decrypt(self, room: memoryview) -> int:
        """As much as is there; 0 at the end. Raises ssl.SSLWantReadError where there is nothing yet, ssl.SSLError."""
        filled = 0
        try:
            while filled < len(room):
                count = cast("int", self._tls.read(len(room) - filled, room[filled:]))  # where there is a buffer
                if count == 0:
                    break
                filled += count
        except ssl.SSLWantReadError:
            if not filled:
                self._refuse_chatter()
                raise
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            pass
        self._refuse_chatter()
        return filled

    def _refuse_chatter(self) -> None:
        if self._to_send.pending > MOST_UNASKED_BYTES:
            raise ConnectionAbortedError("TLS: the other side asks for more than it listens to")

    async def _take_encrypted(self) -> int:
        """Wait for something and give it to OpenSSL, or the end."""
        while True:
            try:
                data = self._socket.recv(ENCRYPTED_AT_ONCE)
            except BlockingIOError:
                self._operations = self._bytes = 0
                await trio.lowlevel.wait_readable(self._socket)
                continue
            if data:
                self._encrypted.write(data)
            else:
                self._encrypted.write_eof()
            return len(data)

    async def send(self, pieces: Sequence[Sized]) -> None:
        for chunk in _chunks(pieces):
            await self._send_all(self._encrypt(chunk))

    def _encrypt(self, chunk: bytes | memoryview) -> list[memoryview]:
        """Record by record: the buffer between is as large as one, and stays so."""
        view, records = memoryview(chunk), []
        for begin in range(0, len(view), RECORD_BYTES):
            self._tls.write(view[begin : begin + RECORD_BYTES])
            records.append(memoryview(self._to_send.read()))
        return records

    async def _send_all(self, records: list[memoryview]) -> None:
        self._is_sending = True  # and stays so where it is not done: then nothing may be said behind it
        await self._send_buffers(records)
        self._is_sending = False

    async def _flush(self) -> None:
        """What OpenSSL has to say of its own accord."""
        if self._to_send.pending:
            await self._send_all([memoryview(self._to_send.read())])

    def _flush_nowait(self) -> None:
        if not self._is_sending and self._to_send.pending:
            with contextlib.suppress(OSError):
                self._socket.send(self._to_send.read())

    def close(self) -> None:
        if self._is_open and self._socket.fileno() >= 0:
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()  # says farewell, and waits for no answer
            self._flush_nowait()
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
