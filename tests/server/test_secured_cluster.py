"""Brokers and their controller over TLS and logged in with each other, in one process, on real sockets."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from odradek.protocol.sasl.plain import PlainExchange
from odradek_broker.config import load_broker_config
from odradek_broker.metadata.secured import SecuredNetwork
from odradek_broker.ports.tcp_network import TcpNetwork
from tests.server.served_broker import Peer, Served, produce, serving
from tests.tls.certified import HERE, authority, client_side, stranger, trusted, written

SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
ACCOUNT = f'{SCRAM} required username="broker" password="among us";'

STRANGER = f'{PLAIN} required username="nobody" password="x" user_a="b";'


def settings(directory: Path, node_id: int, **more: str) -> dict[str, str]:
    at = "listener.name.sasl_ssl."
    return {
        "node.id": str(node_id),
        "listeners": "SASL_SSL://127.0.0.1:0",
        "ssl.keystore.location": written(directory, authority().issue(f"node-{node_id}", HERE), f"{node_id}.pem"),
        "ssl.truststore.location": trusted(directory),
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        f"{at}scram-sha-512.sasl.jaas.config": ACCOUNT,
        f"{at}plain.sasl.jaas.config": f'{PLAIN} required user_alice="wonder";',
        "bootstrap.scram.users": "SCRAM-SHA-512=[name=broker,password=among us]",
        "connection.failed.authentication.delay.ms": "0",
        **more,
    }


@asynccontextmanager
async def controller(directory: Path, **more: str) -> AsyncIterator[Served]:
    async with serving(
        directory / "c", **settings(directory, 100, **{"process.roles": "controller", **more})
    ) as served:
        yield served


def broker(directory: Path, node_id: int, whose: Served, **more: str) -> Any:
    joins = {"process.roles": "broker", "controller.quorum.bootstrap.servers": f"127.0.0.1:{whose.port}"}
    return serving(directory / str(node_id), **settings(directory, node_id, **joins, **more))


async def client_of(served: Served) -> Peer:
    stream = trio.SSLStream((await served.connect()).stream, client_side(), server_hostname="localhost")
    peer = Peer(stream)  # type: ignore[arg-type]
    await peer.ask(SaslHandshakeRequest("PLAIN"), SaslHandshakeResponse, 1)
    token = PlainExchange("alice", "wonder").first()
    answer = await peer.ask(SaslAuthenticateRequest(token), SaslAuthenticateResponse, 2)
    assert answer.error_code == 0
    return peer


async def test_a_cluster_keeps_what_is_produced_on_all_its_brokers_over_tls_and_logged_in(tmp_path: Path) -> None:
    async with controller(tmp_path) as head, broker(tmp_path, 1, head) as one, broker(tmp_path, 2, head) as two:
        peer = await client_of(one)
        request = CreateTopicsRequest([CreatableTopic("t", 1, 2)])
        made = await peer.ask(request, CreateTopicsResponse, 7)
        assert made.topics[0].error_code == 0, made
        leader, follower = one, two
        if one.broker.image.topics["t"].partitions[0].leader != 1:
            leader, follower = two, one
        peer = await client_of(leader)
        with trio.fail_after(20):
            assert (await peer.produce(produce(b"kept"))).error_code == 0
            while ("t", 0) not in follower.broker.partitions:
                await trio.lowlevel.checkpoint()
            copy = follower.broker.partitions[("t", 0)].log
            while copy.log_end_offset < 1:
                await trio.lowlevel.checkpoint()
        assert await peer.values() == [b"kept"]
        callers = [str(each._caller.principal) for served in (head, one, two) for each in served._server._connections]
        assert set(callers) == {"User:broker", "User:alice"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": ACCOUNT.replace("among us", "stranger")},
            "invalid credentials with SASL mechanism SCRAM-SHA-512",
        ),
        (
            {
                "sasl.mechanism.inter.broker.protocol": "PLAIN",
                "listener.name.sasl_ssl.plain.sasl.jaas.config": STRANGER,
            },
            "Invalid username or password",
        ),
    ],
)
async def test_a_broker_that_cannot_log_in_is_refused_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: dict[str, str], said: str
) -> None:
    async with controller(tmp_path) as head:
        network = network_of(tmp_path, **wrong)
        with pytest.raises(OSError, match=said):
            await network.connect("127.0.0.1", head.port)
    assert "cannot log in at 127.0.0.1" in caplog.text
    assert "among us" not in caplog.text and "wonder" not in caplog.text


async def test_a_broker_does_not_give_its_password_to_somebody_else(tmp_path: Path) -> None:
    """Neither to one whose certificate nobody has signed whom it knows, nor to one that is another host."""
    imposter = tmp_path / "imposter"
    imposter.mkdir()
    false = written(imposter, stranger().issue("node-100", HERE))
    elsewhere = written(imposter, authority().issue("node-100", ["elsewhere.example.com"]), "elsewhere.pem")
    for keys, why in (
        (false, "unable to get local issuer"),
        (elsewhere, "IP address mismatch"),
    ):
        async with controller(tmp_path, **{"ssl.keystore.location": keys}) as head:
            with pytest.raises(OSError, match=f"not believed: {why}"):
                await network_of(tmp_path).connect("127.0.0.1", head.port)
            unchecked = network_of(tmp_path, **{"ssl.endpoint.identification.algorithm": ""})
            if keys == elsewhere:
                (await unchecked.connect("127.0.0.1", head.port)).close()


async def test_a_connection_whose_session_ends_is_left_before_it_does(tmp_path: Path) -> None:
    async with controller(tmp_path, **{"connections.max.reauth.ms": "100000"}) as head:
        stream = await network_of(tmp_path).connect("127.0.0.1", head.port)
        assert 70 < stream.retires_at - trio.current_time() <= 80
        stream.close()


def network_of(directory: Path, **more: str) -> SecuredNetwork:
    joins = {"process.roles": "broker", "controller.quorum.bootstrap.servers": "127.0.0.1:1"}
    config = load_broker_config(None, {}, settings(directory, 7, **joins, **more)).config
    return SecuredNetwork(TcpNetwork(), config, random.Random(1))
