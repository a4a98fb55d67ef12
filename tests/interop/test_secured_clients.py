"""Other people's clients over TLS and logged in, by each kind of listener: what one sends it reads."""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient
from kafka import KafkaConsumer, KafkaProducer

from odradek.testing.ports import free_ports
from referee import run_java_tool
from referee.clients.kcat import run_kcat
from referee.process import BrokerProcess
from tests.tls.certified import HERE, authority, trusted, written

pytestmark = pytest.mark.slow

PASSWORD = "won=der, land"
PLAIN_USERS = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="{PASSWORD}";'
SECONDS = 30


class Kind(NamedTuple):
    """A kind of listener, and a mechanism where one logs in there."""

    protocol: str
    mechanism: str = ""


KINDS = (
    Kind("SSL"),
    Kind("SASL_PLAINTEXT", "PLAIN"),
    Kind("SASL_PLAINTEXT", "SCRAM-SHA-256"),
    Kind("SASL_SSL", "PLAIN"),
    Kind("SASL_SSL", "SCRAM-SHA-512"),
)


class Guarded(BrokerProcess):
    """A broker with a listener of each kind that asks for something."""

    name = "Odradek, guarded"
    ready_line = re.compile(r"^ready 127\.0\.0\.1:\d+")
    ready_lines = 3

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.ports = dict(zip(("SSL", "SASL_PLAINTEXT", "SASL_SSL"), free_ports(3), strict=True))
        self.ca = trusted(directory)
        self.certificate = written(directory, authority().issue("alice"), "alice.pem")
        jaas = {f"listener.name.{name.lower()}.plain.sasl.jaas.config": PLAIN_USERS for name in self.ports}
        settings = {
            "log.dir": str(directory / "data"),
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in self.ports.items()),
            "ssl.keystore.location": written(directory, authority().issue("broker", HERE)),
            "ssl.truststore.location": self.ca,
            "listener.name.ssl.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "bootstrap.scram.users": " ".join(f'SCRAM-SHA-{n}=[name=alice,password="{PASSWORD}"]' for n in (256, 512)),
            "group.initial.rebalance.delay.ms": "0",
            "delegation.token.secret.key": "the cluster's",
        }
        self._file = directory / "server.properties"
        self._file.write_text("".join(f"{key}={value}\n" for key, value in {**settings, **jaas}.items()))

    def command(self) -> list[str]:
        return [sys.executable, "-m", "odradek_cli", "broker", "--config", str(self._file)]

    def at(self, kind: Kind) -> str:
        return f"localhost:{self.ports[kind.protocol]}"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    broker = Guarded(tmp_path_factory.mktemp("guarded"))
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
        said = "".join(broker.lines)
    assert "Traceback" not in said and PASSWORD not in said and "PRIVATE KEY" not in said


def librdkafka(guarded: Guarded, kind: Kind, password: str = PASSWORD) -> dict[str, Any]:
    settings = {"bootstrap.servers": guarded.at(kind), "security.protocol": kind.protocol.lower()}
    if "SSL" in kind.protocol:
        settings["ssl.ca.location"] = guarded.ca
    if kind.mechanism:
        settings |= {"sasl.mechanism": kind.mechanism, "sasl.username": "alice", "sasl.password": password}
    else:
        settings |= {"ssl.certificate.location": guarded.certificate, "ssl.key.location": guarded.certificate}
    return settings


def by_confluent(guarded: Guarded, kind: Kind, topic: str) -> bytes | None:
    producer = Producer(librdkafka(guarded, kind))
    producer.produce(topic, b"it")
    assert producer.flush(SECONDS) == 0
    own = {"group.id": topic, "auto.offset.reset": "earliest"}
    consumer = Consumer(librdkafka(guarded, kind) | own)
    try:
        consumer.subscribe([topic])
        (message,) = consumer.consume(1, SECONDS)
        value: bytes | None = message.value()
        return value
    finally:
        consumer.close()


def by_kcat(guarded: Guarded, kind: Kind, topic: str) -> bytes:
    options = [f"-X{key}={value}" for key, value in librdkafka(guarded, kind).items() if key != "bootstrap.servers"]
    run_kcat(guarded.at(kind), "-P", "-t", topic, *options, stdin=b"it")
    return run_kcat(guarded.at(kind), "-C", "-t", topic, "-c1", "-e", "-q", *options).strip()


def kafka_python(guarded: Guarded, kind: Kind) -> dict[str, Any]:
    settings: dict[str, Any] = {"bootstrap_servers": guarded.at(kind), "security_protocol": kind.protocol}
    if "SSL" in kind.protocol:
        settings["ssl_cafile"] = guarded.ca
    if kind.mechanism:
        settings |= {"sasl_mechanism": kind.mechanism, "sasl_plain_username": "alice", "sasl_plain_password": PASSWORD}
    else:
        settings |= {"ssl_certfile": guarded.certificate, "ssl_keyfile": guarded.certificate}
    return settings


def by_kafka_python(guarded: Guarded, kind: Kind, topic: str) -> bytes | None:
    producer = KafkaProducer(**kafka_python(guarded, kind))
    producer.send(topic, b"it").get(SECONDS)
    producer.close()
    own = {"auto_offset_reset": "earliest", "consumer_timeout_ms": SECONDS * 1000}
    consumer = KafkaConsumer(topic, **kafka_python(guarded, kind), **own)
    try:
        value: bytes | None = next(consumer).value
        return value
    finally:
        consumer.close()


def aio(guarded: Guarded, kind: Kind) -> dict[str, Any]:
    settings: dict[str, Any] = {"bootstrap_servers": guarded.at(kind), "security_protocol": kind.protocol}
    if "SSL" in kind.protocol:
        settings["ssl_context"] = context = ssl.create_default_context(cafile=guarded.ca)
        context.load_cert_chain(guarded.certificate)
    if kind.mechanism:
        settings |= {"sasl_mechanism": kind.mechanism, "sasl_plain_username": "alice", "sasl_plain_password": PASSWORD}
    return settings


def by_aiokafka(guarded: Guarded, kind: Kind, topic: str) -> bytes | None:
    async def work() -> bytes | None:
        async with AIOKafkaProducer(**aio(guarded, kind)) as producer:
            await producer.send_and_wait(topic, b"it")
        async with AIOKafkaConsumer(topic, auto_offset_reset="earliest", **aio(guarded, kind)) as consumer:
            return (await asyncio.wait_for(consumer.getone(), SECONDS)).value  # type: ignore[no-any-return]

    return asyncio.run(work())


CLIENTS: tuple[Callable[[Guarded, Kind, str], bytes | None], ...] = (
    by_confluent,
    by_kcat,
    by_kafka_python,
    by_aiokafka,
)


CASES = [(by, kind) for by in CLIENTS for kind in KINDS if by is not by_kcat or "SCRAM" not in kind.mechanism]
"""librdkafka before 2.11.1, as with kcat, sends a nonce that is not the broker's; Kafka 4 refuses it as well."""


@pytest.mark.parametrize(
    ("by", "kind"), CASES, ids=["-".join([by.__name__.removeprefix("by_"), *filter(None, kind)]) for by, kind in CASES]
)
def test_what_a_client_sends_it_reads(
    guarded: Guarded, by: Callable[[Guarded, Kind, str], bytes | None], kind: Kind
) -> None:
    topic = "-".join([by.__name__, *filter(None, kind)])
    AdminClient(librdkafka(guarded, kind) | {"allow.auto.create.topics": "true"}).list_topics(topic, timeout=SECONDS)
    assert by(guarded, kind, topic) == b"it"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.mechanism], ids=lambda kind: "-".join(kind))
def test_librdkafka_says_that_it_is_refused(guarded: Guarded, kind: Kind) -> None:
    errors: list[KafkaError] = []
    client = AdminClient(librdkafka(guarded, kind, "wrong") | {"error_cb": errors.append, "log_level": "0"})
    deadline = time.monotonic() + SECONDS
    while not any(error.code() == KafkaError._AUTHENTICATION for error in errors):
        assert time.monotonic() < deadline, errors
        client.poll(0.1)
    assert any("Authentication failed" in error.str() for error in errors)


def properties(
    guarded: Guarded, kind: Kind, path: Path, account: str = f'username="alice" password="{PASSWORD}"'
) -> str:
    """A file of settings for Java, with certificates as PEM."""
    settings = {"security.protocol": kind.protocol}
    if "SSL" in kind.protocol:
        settings |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": guarded.ca}
    if not kind.mechanism:
        settings |= {"ssl.keystore.type": "PEM", "ssl.keystore.location": guarded.certificate}
    else:
        module = "scram.Scram" if "SCRAM" in kind.mechanism else "plain.Plain"
        jaas = f"org.apache.kafka.common.security.{module}LoginModule required {account};"
        settings |= {"sasl.mechanism": kind.mechanism, "sasl.jaas.config": jaas}
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return str(path)


@pytest.mark.java
@pytest.mark.usefixtures("need_java")
@pytest.mark.parametrize("kind", [KINDS[0], KINDS[4]], ids=lambda kind: "-".join(filter(None, kind)))
def test_java_lists_topics(guarded: Guarded, kind: Kind, tmp_path: Path) -> None:
    file = properties(guarded, kind, tmp_path / "client.properties")
    topic = "-".join(["java", *filter(None, kind)])
    where = ["--bootstrap-server", guarded.at(kind), "--command-config", file]
    created = run_java_tool("kafka-topics", *where, "--create", "--topic", topic)
    assert f"Created topic {topic}" in created.stdout.decode()


@pytest.mark.java
@pytest.mark.usefixtures("need_java")
def test_kafka_configs_makes_a_user_that_can_log_in(guarded: Guarded, tmp_path: Path) -> None:
    kind = Kind("SASL_SSL", "SCRAM-SHA-512")
    file = properties(guarded, kind, tmp_path / "client.properties")
    where = ["--bootstrap-server", guarded.at(kind), "--command-config", file, "--entity-type", "users"]
    added = "SCRAM-SHA-512=[iterations=8192,password=builder]"
    run_java_tool("kafka-configs", *where, "--entity-name", "bob", "--alter", "--add-config", added)
    described = run_java_tool("kafka-configs", *where, "--entity-name", "bob", "--describe").stdout.decode()
    assert "SCRAM-SHA-512=iterations=8192" in described
    bob = librdkafka(guarded, kind, "builder") | {"sasl.username": "bob"}
    assert AdminClient(bob).list_topics(timeout=SECONDS).brokers


@pytest.mark.java
@pytest.mark.usefixtures("need_java")
def test_a_token_that_kafka_delegation_tokens_has_made_logs_in_until_it_has_ended_it(
    guarded: Guarded, tmp_path: Path
) -> None:
    kind = Kind("SASL_SSL", "SCRAM-SHA-512")
    file = properties(guarded, kind, tmp_path / "client.properties")

    def tool(*words: str) -> str:
        where = ["--bootstrap-server", guarded.at(kind), "--command-config", file]
        return run_java_tool("kafka-delegation-tokens", *where, *words).stdout.decode()

    made = tool("--create", "--max-life-time-period", "-1", "--renewer-principal", "User:bob")
    token_id, hmac, owner, requester, renewers, *_ = made.splitlines()[-1].split()
    assert (owner, requester, renewers) == ("User:alice", "User:alice", "[User:bob]")
    assert token_id in tool("--describe", "--owner-principal", "User:alice")
    assert "New expiry date" in tool("--renew", "--renew-time-period", "3600000", "--hmac", hmac)
    account = f'username="{token_id}" password="{hmac}" tokenauth="true"'
    by_token = properties(guarded, kind, tmp_path / "token.properties", account)
    java = ["--bootstrap-server", guarded.at(kind), "--command-config", by_token, "--list"]
    run_java_tool("kafka-topics", *java)
    assert "New expiry date" in tool("--expire", "--expiry-time-period", "-1", "--hmac", hmac)
    assert token_id not in tool("--describe", "--owner-principal", "User:alice")
