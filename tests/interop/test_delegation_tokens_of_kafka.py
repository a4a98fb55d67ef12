"""What our record says of Apache Kafka's delegation tokens is what it answers."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from odradek.testing.ports import free_ports
from odradek_broker.ports.clock import SystemClock
from referee import ApacheKafka
from tests.server.served_broker import Peer
from tests.server.token_conversation import JAAS, SETTINGS, Conversation, differences

pytestmark = [pytest.mark.slow, pytest.mark.java, pytest.mark.usefixtures("need_java")]


SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


def secured_kafka(directory: Path) -> tuple[ApacheKafka, int]:
    """By one listener one logs in, by the other nobody does."""
    kafka = ApacheKafka(directory)
    secured = free_ports(1)[0]
    controller = f"127.0.0.1:{kafka._controller_port}"
    kafka.config |= SETTINGS | {
        "listeners": f"PLAINTEXT://{kafka.bootstrap},SECURED://127.0.0.1:{secured},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{kafka.bootstrap},SECURED://127.0.0.1:{secured}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECURED:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "inter.broker.listener.name": "SECURED",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.secured.plain.sasl.jaas.config": JAAS,
        "listener.name.controller.plain.sasl.jaas.config": JAAS,
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        **{f"listener.name.secured.scram-sha-{bits}.sasl.jaas.config": SCRAM for bits in (256, 512)},
    }
    return kafka, secured


async def test_every_answer_is_as_it_was_written_down(tmp_path: Path) -> None:
    kafka, secured = secured_kafka(tmp_path / "kafka")
    with kafka:
        async with AsyncExitStack() as streams:

            async def connect(logs_in: bool) -> Peer:
                stream = await trio.open_tcp_stream("127.0.0.1", secured if logs_in else kafka.port)
                return Peer(await streams.enter_async_context(stream))

            said = await Conversation(connect, SystemClock().now_ms).hold()
    assert not differences(said)
