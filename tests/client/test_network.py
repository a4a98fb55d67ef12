"""Real sockets: pieces, large transfers, TLS, closing."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing

from odradek.network import Stream, TcpNetwork, parse_bootstrap


async def echo(stream: trio.abc.Stream) -> None:
    try:
        async for chunk in stream:
            await stream.send_all(chunk)
    except trio.BrokenResourceError:
        pass  # the test has what it wanted


async def send_and_get_back(stream: Stream, pieces: list[bytes]) -> bytes:
    total = sum(map(len, pieces))
    got = bytearray(total)
    view = memoryview(got)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send, pieces)
        position = 0
        while position < total:
            count = await stream.receive_into(view[position:])
            assert count
            position += count
    return bytes(got)


PIECES = [b"a", b"", b"b" * 3_000_000, b"c" * 10, *(b"%d" % i for i in range(3_000))]


async def test_pieces_arrive_as_one(nursery: trio.Nursery) -> None:
    listeners = await nursery.start(trio.serve_tcp, echo, 0)
    stream = await TcpNetwork().connect("127.0.0.1", listeners[0].socket.getsockname()[1])
    with trio.fail_after(10):
        assert await send_and_get_back(stream, PIECES) == b"".join(PIECES)
    stream.close()
    nursery.cancel_scope.cancel()


async def test_closing_wakes_whoever_receives(nursery: trio.Nursery) -> None:
    listeners = await nursery.start(trio.serve_tcp, echo, 0)
    stream = await TcpNetwork().connect("127.0.0.1", listeners[0].socket.getsockname()[1])

    async def receive() -> None:
        with pytest.raises((OSError, trio.ClosedResourceError)):
            await stream.receive_into(memoryview(bytearray(10)))

    with trio.fail_after(5):
        async with trio.open_nursery() as receiving:
            receiving.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            stream.close()
    nursery.cancel_scope.cancel()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate for localhost, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    key, cert, both = tmp_path / "key", tmp_path / "cert", tmp_path / "both"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    return both


async def test_tls(nursery: trio.Nursery, certificate: Path) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)

    async def secure_echo(stream: trio.SocketStream) -> None:
        await echo(trio.SSLStream(stream, server, server_side=True, https_compatible=True))

    listeners = await nursery.start(partial(trio.serve_tcp, secure_echo, 0, host="127.0.0.1"))
    client = ssl.create_default_context(cafile=str(certificate))
    stream = await TcpNetwork().connect("localhost", listeners[0].socket.getsockname()[1], client)
    with trio.fail_after(20):
        assert await send_and_get_back(stream, PIECES) == b"".join(PIECES)
    stream.close()
    nursery.cancel_scope.cancel()


async def test_a_stranger_is_not_trusted(nursery: trio.Nursery, certificate: Path) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)

    async def secure_echo(stream: trio.SocketStream) -> None:
        await echo(trio.SSLStream(stream, server, server_side=True, https_compatible=True))

    listeners = await nursery.start(partial(trio.serve_tcp, secure_echo, 0, host="127.0.0.1"))
    port = listeners[0].socket.getsockname()[1]
    with pytest.raises(OSError, match="TLS: the broker's certificate is not believed: self-signed certificate"):
        await TcpNetwork().connect("localhost", port, ssl.create_default_context())
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("address", ["h:65536", "h:0", "h:-1", "h:x", ":1", "", ","])
def test_an_address_that_cannot_be_one_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|a port is a number|no bootstrap address"):
        parse_bootstrap(address)


def test_addresses_are_told_apart_and_the_port_may_be_left_out() -> None:
    assert parse_bootstrap("a, b:65535,[::1]:1") == [("a", 9092), ("b", 65535), ("::1", 1)]
    assert parse_bootstrap(["a:1"]) == [("a", 1)]
    with pytest.raises(TypeError, match="host:port"):
        parse_bootstrap(cast("Any", b"a:1"))


@pytest.mark.parametrize("name", ["a..b", "a" * 64 + ".example", "\u00e9..b", "zero\0"])
async def test_what_can_be_no_name_is_an_error_of_the_network(name: str) -> None:
    """A broker may name any host as its own."""
    with pytest.raises(OSError):
        await TcpNetwork().connect(name, 9092)
