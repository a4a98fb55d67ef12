"""Other people's clients, a broker that is not who it should be, and what a broker does not believe of them.

Of each it is asked that nothing comes through, that the client says so in its own way, and that the broker goes on.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from odradek import Admin, OdradekError, Security
from referee import run_java_tool
from tests.interop.test_secured_clients import Guarded, Kind, aio, kafka_python, librdkafka, properties
from tests.tls.certified import authority, written

pytestmark = pytest.mark.slow

SECONDS = 15
BY_CERTIFICATE, BY_PLAIN, BY_SCRAM = Kind("SSL"), Kind("SASL_SSL", "PLAIN"), Kind("SASL_SSL", "SCRAM-SHA-512")


class Elsewhere(Guarded):
    """Its certificate is another host's."""

    name = "Odradek, elsewhere"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        written(directory, authority().issue("broker", ("elsewhere.example",)))


class Late(Guarded):
    """Whose clients have a certificate that has expired."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        since = datetime.now(UTC) - timedelta(days=3)
        written(directory, authority().issue("alice", days=1, since=since), "alice.pem")


def running(broker: Guarded) -> Iterator[Guarded]:
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
    assert "Traceback" not in "".join(broker.lines)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    yield from running(Elsewhere(tmp_path_factory.mktemp("elsewhere")))


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    yield from running(Late(tmp_path_factory.mktemp("late")))


def by_confluent(broker: Guarded, kind: Kind, password: str) -> str:
    said: list[str] = []
    settings: dict[str, Any] = {**librdkafka(broker, kind, password), "log_level": "0"}
    client = AdminClient(settings | {"error_cb": lambda error: said.append(error.str())})
    with pytest.raises(KafkaException):
        client.list_topics(timeout=5)
    client.poll(0)
    return "\n".join(said)


def by_kcat(broker: Guarded, kind: Kind, password: str) -> str:
    options = [f"-X{key}={value}" for key, value in librdkafka(broker, kind, password).items()]
    done = subprocess.run(["kcat", "-L", "-m5", *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0 and "topics:" not in done.stdout
    return done.stderr


KAFKA_PYTHON = """
import json, sys, warnings
warnings.simplefilter("ignore")
from kafka import KafkaProducer
from kafka.errors import KafkaError
try:
    KafkaProducer(**json.loads(sys.argv[1]), bootstrap_timeout_ms=5_000).send("t", b"it").get(5)
except (KafkaError, OSError) as error:
    print("refused:", error)
"""


def by_kafka_python(broker: Guarded, kind: Kind, password: str) -> str:
    """In a process of its own: what it has opened when it fails it never closes."""
    settings = kafka_python(broker, kind) | ({"sasl_plain_password": password} if kind.mechanism else {})
    words = [sys.executable, "-c", KAFKA_PYTHON, json.dumps(settings)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert "refused:" in done.stdout, done
    return done.stdout


def by_aiokafka(broker: Guarded, kind: Kind, password: str) -> str:
    async def work() -> None:
        settings = aio(broker, kind)
        if kind.mechanism:
            settings["sasl_plain_password"] = password
        producer = AIOKafkaProducer(**settings)
        try:
            await asyncio.wait_for(producer.start(), SECONDS)
        finally:
            await producer.stop()

    with pytest.raises(KafkaConnectionError) as caught:
        asyncio.run(work())
    return str(caught.value)


def by_ours(broker: Guarded, kind: Kind, password: str) -> str:
    account: dict[str, Any] = {
        "sasl_mechanism": kind.mechanism,
        "sasl_username": "alice",
        "sasl_password": password,
    }
    settings: dict[str, Any] = {"security_protocol": kind.protocol, "ssl_ca_file": broker.ca}
    security = Security(**settings, **(account if kind.mechanism else {"ssl_cert_file": broker.certificate}))

    async def work() -> None:
        async with Admin(broker.at(kind), security=security, request_timeout_ms=5_000) as admin:
            await admin.list_topics()

    with pytest.raises((OdradekError, BaseExceptionGroup)) as caught:
        trio.run(work)
    return str(caught.value)


@pytest.fixture(autouse=True)
def sockets_left_behind() -> Iterator[None]:
    """aiokafka closes no transport whose handshake has failed. They are found here, and not in a later test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


CLIENTS = (by_confluent, by_kcat, by_kafka_python, by_aiokafka, by_ours)
By = Callable[[Guarded, Kind, str], str]


def with_kinds(*kinds: Kind) -> list[tuple[By, Kind]]:
    """librdkafka before 2.11.1, as with kcat, is refused by SCRAM whatever the password."""
    return [(by, kind) for by in CLIENTS for kind in kinds if by is not by_kcat or kind != BY_SCRAM]


def named(case: object) -> str:
    return "-".join(filter(None, case)) if isinstance(case, Kind) else getattr(case, "__name__", "")[3:]


@pytest.mark.parametrize(("by", "kind"), with_kinds(BY_CERTIFICATE, BY_PLAIN), ids=named)
def test_no_client_says_anything_to_a_broker_of_another_name(elsewhere: Guarded, by: By, kind: Kind) -> None:
    before = len(elsewhere.lines)
    by(elsewhere, kind, "hush")
    said = "".join(elsewhere.lines[before:])
    assert "alice" not in said and "login by" not in said, "nobody has come as far as that"


@pytest.mark.parametrize("by", CLIENTS, ids=named)
def test_no_client_comes_in_by_a_certificate_that_has_expired(late: Guarded, by: By) -> None:
    by(late, BY_CERTIFICATE, "")


@pytest.mark.parametrize(("by", "kind"), with_kinds(BY_PLAIN, BY_SCRAM), ids=named)
def test_no_client_comes_in_by_a_wrong_password(late: Guarded, by: By, kind: Kind) -> None:
    by(late, kind, "wrong")


@pytest.mark.java
@pytest.mark.usefixtures("need_java")
def test_java_says_why_it_is_refused_or_refuses(elsewhere: Guarded, late: Guarded, tmp_path: Path) -> None:
    for broker, kind, account, why in (
        (elsewhere, BY_PLAIN, 'username="alice" password="hush"', "SslAuthenticationException"),
        (late, BY_PLAIN, 'username="alice" password="wrong"', "SaslAuthenticationException"),
        (late, BY_SCRAM, 'username="alice" password="wrong"', "SaslAuthenticationException"),
    ):
        file = properties(broker, kind, tmp_path / "client.properties", account)
        words = ["--bootstrap-server", broker.at(kind), "--command-config", file, "--list"]
        with pytest.raises(AssertionError, match=why):
            run_java_tool("kafka-topics", *words)


def test_the_brokers_still_let_in_who_is_who_they_should_be(late: Guarded) -> None:
    settings: dict[str, Any] = {**librdkafka(late, BY_SCRAM)}
    assert AdminClient(settings).list_topics(timeout=30).brokers
