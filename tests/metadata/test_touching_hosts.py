"""Whether a host lives is told by its system, not by the process that is to answer there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from random import Random

import pytest
import trio

from odradek_broker.config import load_broker_config
from odradek_broker.metadata.secured import between_brokers
from odradek_broker.ports.network import Network
from odradek_broker.ports.tcp_network import TcpNetwork


@pytest.fixture
def hung() -> Iterator[tuple[str, int]]:
    """Where somebody listens, and takes in nobody."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()


def plain() -> Network:
    return TcpNetwork()


def with_login() -> Network:
    user = 'username="b" password="p" user_b="p";'
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
    settings = {
        "listeners": "SASL_PLAINTEXT://127.0.0.1:9092",
        "security.inter.broker.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": f"{plain} required {user}",
    }
    config = load_broker_config(None, {}, settings).config
    return between_brokers(TcpNetwork(), config, Random(0))


@pytest.mark.parametrize("network", [plain, with_login])
async def test_a_process_that_hangs_is_on_a_host_that_lives(network: object, hung: tuple[str, int]) -> None:
    with trio.fail_after(60):
        await network().touch(*hung)  # type: ignore[operator]


async def test_a_closed_port_refuses() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            await TcpNetwork().touch(*bound.getsockname())
