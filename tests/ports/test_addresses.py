"""One address is one, however it is written."""

from __future__ import annotations

import socket

import pytest

from odradek_broker.ports.addresses import plain_address
from odradek_broker.ports.tcp import TcpStream


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("::FFFF:a00:7", "10.0.0.7"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("fe80::1%2", "fe80::1%2"),
        ("broker-0", "broker-0"),
        ("", ""),
    ],
)
def test_an_address_has_one_text(written: str, plain: str) -> None:
    assert plain_address(written) == plain


async def test_who_comes_by_a_listener_of_both_kinds_is_known_by_their_ipv4_address() -> None:
    listening = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    with listening, socket.create_connection(("127.0.0.1", listening.getsockname()[1])) as connecting:
        stream = TcpStream(listening.accept()[0])
        assert stream.peer == ("127.0.0.1", connecting.getsockname()[1])
        assert stream.local == ("127.0.0.1", listening.getsockname()[1])
        stream.close()
