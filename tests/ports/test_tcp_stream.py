"""A stream over a real socket, and what its peer's machine is given in one piece."""

from __future__ import annotations

import socket
from io import BufferedReader
from pathlib import Path

from odradek_broker.ports.tcp import READ_INSTEAD_OF_SENDFILE_BYTES, TcpStream

HEADER = b"a header of a few bytes"
RECORDS = bytes(range(256)) * (READ_INSTEAD_OF_SENDFILE_BYTES // 64)


class Range:
    """Of a real file; in the moment in which it is begun it looks at what the peer has got before."""

    def __init__(self, file: BufferedReader, length: int, peer: socket.socket) -> None:
        self._file, self.length, self._peer = file, length, peer
        self.came_before = b""

    @property
    def position(self) -> int:
        self._peer.setblocking(False)
        try:
            self.came_before = self._peer.recv(1 << 20, socket.MSG_PEEK)
        except BlockingIOError:
            self.came_before = b""
        self._peer.setblocking(True)
        return 0

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self) -> bytes:
        raise AssertionError("it is sent without being read")

    def __len__(self) -> int:
        return self.length


async def test_a_peer_is_not_woken_for_the_header_before_the_records_come(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(RECORDS)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
    stream = TcpStream(accepted)
    with path.open("rb") as file, peer:
        records = Range(file, len(RECORDS), peer)
        await stream.send([HEADER, records])
        assert records.came_before == (b"" if hasattr(socket, "MSG_MORE") else HEADER)
        assert peer.recv(len(HEADER) + len(RECORDS), socket.MSG_WAITALL) == HEADER + RECORDS
    stream.close()
