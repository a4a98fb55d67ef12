"""Requests as frames, to whichever broker is judged: for what no client would send."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from odradek.protocol.codec import decode
from odradek.protocol.headers import encode_request, read_response_header
from odradek.protocol.registry import response_class


class Peer:
    """Sends frames, one connection each: what a broker closes for is said of it alone."""

    def __init__(self, bootstrap: str) -> None:
        host, _, port = bootstrap.rpartition(":")
        self._address = host, int(port)

    def codes(self, request: Any, version: int) -> Any:
        """All error codes of the answer, from the outside in; "closed" where there is no answer."""
        answer = self.ask(request, version)
        return "closed" if answer is None else list(codes_in(answer))

    def ask(self, request: Any, version: int) -> Any:
        with self._connected() as connection:
            pieces: list[Any] = list(encode_request(request, version, 7, "refusals"))
            connection.sendall(b"".join(pieces))
            size = self._exactly(connection, 4)
            frame = None if size is None else self._exactly(connection, struct.unpack(">i", size)[0])
        if frame is None:
            return None
        kind = response_class(request.API_KEY)
        _, position = read_response_header(frame, kind, version)
        return decode(kind, frame, version, position)

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(self._address, timeout=20) as connection:
            yield connection

    @staticmethod
    def _exactly(connection: socket.socket, count: int) -> bytes | None:
        received = b""
        while len(received) < count:
            try:
                more = connection.recv(count - len(received))
            except ConnectionResetError:
                return None
            if not more:
                return None
            received += more
        return received


class PeerWithOneConnection(Peer):
    """Sends all over one: what a broker keeps for a connection, as a share session, goes on."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(bootstrap)
        self._connection = socket.create_connection(self._address, timeout=20)

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        yield self._connection

    def close(self) -> None:
        self._connection.close()


def codes_in(message: Any) -> Iterator[int]:
    for name in getattr(message, "__struct_fields__", ()):
        value = getattr(message, name)
        if name == "error_code":
            yield int(value)
        elif isinstance(value, list):
            for each in value:
                yield from codes_in(each)
