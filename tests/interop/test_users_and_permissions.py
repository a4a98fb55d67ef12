"""Users who have logged in may do what ACLs allow them, and every client tells the others so in its own way."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError as AioRefused
from confluent_kafka import Consumer as ConfluentConsumer
from confluent_kafka import KafkaError
from confluent_kafka import Producer as ConfluentProducer
from kafka import KafkaProducer
from kafka.errors import TopicAuthorizationFailedError

from odradek import Admin, Consumer, Producer, Security
from odradek.admin import Acl
from odradek.errors import AuthorizationFailed
from odradek.protocol.acl import Operation, PatternType, Permission, ResourceType
from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from referee.process import BrokerProcess

pytestmark = pytest.mark.slow

TOPIC, GROUP, SECONDS = "orders", "billing", 20
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
USERS = f'{LOGIN} user_admin="admin" user_alice="alice" user_bob="bob";'


class Guarded(BrokerProcess):
    """Everybody has to log in: admin may do everything, alice what the test lets her, bob nothing."""

    name = "Odradek, guarded"
    ready_line = re.compile(r"^ready 127\.0\.0\.1:\d+")

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        settings = {
            "log.dir": str(directory / "data"),
            "listeners": f"SASL_PLAINTEXT://{self.bootstrap}",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": USERS,
            "authorizer.class.name": STANDARD_AUTHORIZER,
            "super.users": "User:admin",
            "group.initial.rebalance.delay.ms": "0",
        }
        self._file = directory / "server.properties"
        self._file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))

    def command(self) -> list[str]:
        return [sys.executable, "-m", "odradek_cli", "broker", "--config", str(self._file)]


def as_user(name: str) -> Security:
    return Security(security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN", sasl_username=name, sasl_password=name)


def confluent(broker: Guarded, name: str, **more: Any) -> dict[str, Any]:
    login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": name}
    return {"bootstrap.servers": broker.bootstrap, **login, "sasl.password": name, "log_level": 0, **more}


def allow(operation: Operation, kind: ResourceType, name: str) -> Acl:
    return Acl(kind, name, PatternType.LITERAL, "User:alice", "*", operation, Permission.ALLOW)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    async def begin() -> None:
        async with Admin(guarded.bootstrap, security=as_user("admin")) as admin:
            await admin.create_topic(TOPIC, 1)
            await admin.create_acls(
                allow(Operation.READ, ResourceType.TOPIC, TOPIC),
                allow(Operation.WRITE, ResourceType.TOPIC, TOPIC),
                allow(Operation.READ, ResourceType.GROUP, GROUP),
            )

    with Guarded(tmp_path_factory.mktemp("guarded")) as guarded:
        trio.run(begin)
        yield guarded


async def test_who_is_allowed_to_writes_and_reads(broker: Guarded) -> None:
    alice = as_user("alice")
    async with Producer(broker.bootstrap, security=alice) as producer:
        await (await producer.send(TOPIC, b"hers"))
    async with Consumer(broker.bootstrap, topics=[TOPIC], group=GROUP, start="earliest", security=alice) as consumer:
        with trio.fail_after(SECONDS):
            async for record in consumer:
                assert record.value == b"hers"
                break
        await consumer.commit()


async def test_who_is_not_sees_no_topic_and_is_told_by_an_error_of_its_own(broker: Guarded) -> None:
    bob = as_user("bob")
    async with Admin(broker.bootstrap, security=bob) as admin:
        assert await admin.list_topics() == []
        with pytest.raises(AuthorizationFailed):
            await admin.create_topic("his", 1)
        with pytest.raises(AuthorizationFailed):
            await admin.list_acls()
    async with Producer(broker.bootstrap, security=bob) as producer:
        with pytest.raises(AuthorizationFailed), trio.fail_after(SECONDS):
            await (await producer.send(TOPIC, b"his"))


def test_librdkafka_is_told_too(broker: Guarded) -> None:
    errors: list[KafkaError | None] = []
    for name in ("alice", "bob"):
        producer = ConfluentProducer(confluent(broker, name))
        producer.produce(TOPIC, b"x", on_delivery=lambda error, _: errors.append(error))
        producer.flush(SECONDS)
    assert errors[0] is None
    assert errors[1] is not None
    assert errors[1].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    consumer = ConfluentConsumer(confluent(broker, "bob", **{"group.id": GROUP}))
    consumer.subscribe([TOPIC])
    found = set()
    for _ in range(SECONDS * 10):
        message = consumer.poll(0.1)
        error = None if message is None else message.error()
        if error is not None:
            found.add(error.code())
        if KafkaError.GROUP_AUTHORIZATION_FAILED in found or KafkaError.TOPIC_AUTHORIZATION_FAILED in found:
            break
    consumer.close()
    assert found & {KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED}


def test_kafka_python_is_told_too(broker: Guarded) -> None:
    producer = KafkaProducer(
        bootstrap_servers=broker.bootstrap,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username="bob",
        sasl_plain_password="bob",
        max_block_ms=5_000,
        enable_idempotence=False,
    )
    try:
        with pytest.raises(TopicAuthorizationFailedError):
            producer.send(TOPIC, b"x").get(SECONDS)
    finally:
        producer.close(timeout=1)


def test_aiokafka_is_told_too(broker: Guarded) -> None:
    async def send() -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=broker.bootstrap,
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="PLAIN",
            sasl_plain_username="bob",
            sasl_plain_password="bob",
        )
        await producer.start()
        try:
            await producer.send_and_wait(TOPIC, b"x")
        finally:
            await producer.stop()

    with pytest.raises(AioRefused):
        asyncio.run(asyncio.wait_for(send(), SECONDS))
