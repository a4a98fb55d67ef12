"""A stream over TLS: who makes much work for little data does not keep others from their turn."""

from __future__ import annotations

import ctypes
import ctypes.util
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from odradek_broker.ports.tcp_network import TcpNetwork
from odradek_broker.ports.tls import ENCRYPTED_AT_ONCE, TlsStream
from tests.tls.certified import HERE, authority, client_side, written

KEY_CHANGES = 10_000
KEY_CHANGE_BYTES = 27


class Certified:
    """How a listener speaks TLS."""

    def __init__(self, directory: Path) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(written(directory, authority().issue("broker", HERE)))


class OfPython:
    """A client in memory."""

    def __init__(self) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = client_side().wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    def shake(self, heard: bytes) -> bool:
        self._incoming.write(heard)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def say(self, data: bytes) -> None:
        self._tls.write(data)

    def said(self) -> bytes:
        return self._outgoing.read()


class OfOpenSsl:
    """The same by OpenSSL's own functions: Python's do not change keys."""

    def __init__(self) -> None:
        found = [ctypes.util.find_library(name) for name in ("ssl", "crypto")]
        if None in found:
            pytest.skip("there is no OpenSSL beside Python's")
        self._ssl, crypto = (ctypes.CDLL(name) for name in found)
        for function in (self._ssl.TLS_client_method, self._ssl.SSL_CTX_new, self._ssl.SSL_new):
            function.restype = ctypes.c_void_p
        for function in (crypto.BIO_new, crypto.BIO_s_mem):
            function.restype = ctypes.c_void_p
        pointer = ctypes.c_void_p
        self._made = pointer(self._ssl.SSL_new(pointer(self._ssl.SSL_CTX_new(pointer(self._ssl.TLS_client_method())))))
        self._incoming, self._outgoing = (pointer(crypto.BIO_new(pointer(crypto.BIO_s_mem()))) for _ in range(2))
        self._ssl.SSL_set_bio(self._made, self._incoming, self._outgoing)
        self._ssl.SSL_set_connect_state(self._made)
        self._crypto = crypto

    def shake(self, heard: bytes) -> bool:
        self._crypto.BIO_write(self._incoming, heard, len(heard))
        return bool(self._ssl.SSL_do_handshake(self._made) == 1)

    def change_keys(self, *, both: bool) -> None:
        assert self._ssl.SSL_key_update(self._made, int(both)) == 1
        assert self._ssl.SSL_do_handshake(self._made) == 1

    def say(self, data: bytes) -> None:
        assert self._ssl.SSL_write(self._made, data, len(data)) == len(data)

    def said(self) -> bytes:
        room = ctypes.create_string_buffer(1 << 20)
        count = self._crypto.BIO_read(self._outgoing, room, len(room))
        return room.raw[: max(count, 0)]


@asynccontextmanager
async def accepted(directory: Path, client: Any) -> AsyncIterator[tuple[TlsStream, Callable[[bytes], Any]]]:
    """A stream whose client has done its handshake, and what sends in its name."""
    listener = await TcpNetwork().listen("127.0.0.1", 0, Certified(directory))
    async with await trio.open_tcp_stream(*listener.address) as connection, trio.open_nursery() as nursery:
        stream = await listener.accept()
        assert isinstance(stream, TlsStream)
        nursery.start_soon(stream.open)
        heard = b""
        while not client.shake(heard):
            await connection.send_all(client.said())
            heard = await connection.receive_some()
        await connection.send_all(client.said())
        try:
            yield stream, connection.send_all
        finally:
            stream.close()
            listener.close()
            nursery.cancel_scope.cancel()


async def test_of_many_small_records_some_are_received_at_once(tmp_path: Path) -> None:
    client, room = OfPython(), memoryview(bytearray(1 << 20))
    async with accepted(tmp_path, client) as (stream, send), trio.open_nursery() as nursery:
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(20_000):
            client.say(b"x")
        nursery.start_soon(send, client.said())
        counts: list[int] = []
        while sum(counts) < 20_000:
            counts.append(await stream.receive_into(lambda: room))
        assert max(counts) <= ENCRYPTED_AT_ONCE // 20


async def test_between_changes_of_keys_others_have_their_turn(tmp_path: Path) -> None:
    client, room, turns = OfOpenSsl(), memoryview(bytearray(100)), 0

    async def others() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with accepted(tmp_path, client) as (stream, send), trio.open_nursery() as nursery:
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(KEY_CHANGES):
            client.change_keys(both=False)
        client.say(b"x")
        nursery.start_soon(send, client.said())
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(others)
        assert await stream.receive_into(lambda: room) == 1
        assert room[0] == ord("x")
        assert turns >= KEY_CHANGES * KEY_CHANGE_BYTES // ENCRYPTED_AT_ONCE - 1
        nursery.cancel_scope.cancel()


async def test_who_asks_for_new_keys_and_never_listens_is_shown_out(tmp_path: Path) -> None:
    client, room = OfOpenSsl(), memoryview(bytearray(100))
    async with accepted(tmp_path, client) as (stream, send), trio.open_nursery() as nursery:
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(5_000):
            client.change_keys(both=True)
        nursery.start_soon(send, client.said())
        with pytest.raises(ConnectionAbortedError, match="asks for more than it listens to"):
            await stream.receive_into(lambda: room)
