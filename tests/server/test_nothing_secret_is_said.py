"""What brokers are told in confidence is in no log, however much is logged, in no answer, and in no object's text."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12
from cryptography.x509 import load_pem_x509_certificate

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from odradek.protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
)
from odradek.protocol.messages.metadata import MetadataRequest, MetadataResponse
from odradek.protocol.sasl.exchange import Exchange
from odradek.protocol.sasl.plain import PlainExchange
from odradek.protocol.sasl.scram import ScramExchange
from tests.server.served_broker import Peer, Served, serving
from tests.server.test_logins import log_in
from tests.tls.certified import HERE, authority, client_side, trusted

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
SECRETS = {name: f"hush-{name}-hush" for name in ("ours", "alice", "carol", "store", "etcd", "guess")}
BROKER = 4


def settings(directory: Path) -> dict[str, str]:
    issued = authority().issue("node", HERE)
    key = load_pem_private_key(issued.key.text.encode(), None)
    certificate = load_pem_x509_certificate(issued.certificate.encode())
    store = directory / "node.p12"
    lock = BestAvailableEncryption(SECRETS["store"].encode())
    store.write_bytes(pkcs12.serialize_key_and_certificates(b"node", key, certificate, None, lock))  # type: ignore[arg-type]
    return {
        "listeners": "SASL_SSL://127.0.0.1:0",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{PLAIN} required username="ours" '
        f'password="{SECRETS["ours"]}" user_ours="{SECRETS["ours"]}" user_alice="{SECRETS["alice"]}";',
        "bootstrap.scram.users": f"SCRAM-SHA-256=[name=carol,password={SECRETS['carol']}]",
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": str(store),
        "ssl.keystore.password": SECRETS["store"],
        "ssl.truststore.location": trusted(directory),
        "etcd.username": "root",
        "etcd.password": SECRETS["etcd"],
        "connection.failed.authentication.delay.ms": "0",
    }


async def come(served: Served, exchange: Exchange) -> tuple[Peer, int, str | None]:
    stream = trio.SSLStream((await served.connect()).stream, client_side(), server_hostname="localhost")
    peer = Peer(stream)  # type: ignore[arg-type]
    answer = await log_in(peer, exchange)
    return peer, answer.error_code, answer.error_message


async def test_what_is_logged_answered_and_printed_has_nothing_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[object] = []
    async with serving(tmp_path / "data", **settings(tmp_path)) as served:
        peer, error, _ = await come(served, PlainExchange("alice", SECRETS["alice"]))
        assert not error
        assert not (await come(served, ScramExchange("SCRAM-SHA-256", "carol", SECRETS["carol"], "nonce")))[1]
        for user in ("alice", "nobody"):
            _, error, message = await come(served, PlainExchange(user, SECRETS["guess"]))
            assert error == ErrorCode.SASL_AUTHENTICATION_FAILED
            said.append(message)
        wanted = DescribeConfigsRequest([DescribeConfigsResource(BROKER, "1")], include_synonyms=True)
        configs = await peer.ask(wanted, DescribeConfigsResponse, 4)
        described = {each.name: each for each in configs.results[0].configs}
        for name in ("ssl.keystore.password", "etcd.password", "bootstrap.scram.users"):
            assert described[name].is_sensitive and described[name].value is None, name
        said += [configs, await peer.ask(MetadataRequest(topics=None), MetadataResponse, 12)]
        users = DescribeUserScramCredentialsRequest(None)
        said.append(await peer.ask(users, DescribeUserScramCredentialsResponse, 0))
        broker = served.broker
        said += [broker.config, broker.context.static_config, broker.known_brokers, vars(served._server._entrances[0])]
        keys = broker.image.scram[(1, "carol")]
    text = caplog.text + "".join(map(repr, said)) + "".join(map(str, said))
    for secret in (
        *SECRETS.values(),
        keys.stored_key.hex(),
        repr(bytes(keys.stored_key)),
        repr(bytes(keys.server_key)),
    ):
        assert secret not in text
    assert "PRIVATE KEY" not in text and "carol" in text
