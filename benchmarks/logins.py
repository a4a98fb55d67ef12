"""How many logins by SCRAM a broker takes a second, and what a neighbour notices of it.

    python -m benchmarks.run logins

Clients log in by SCRAM-SHA-256 with frames by hand, each on a connection of its own, AT_ONCE of them at a time. What a
client computes is computed once: the broker gives one salt, so that the salted password is known, and it is the broker
that is measured. A neighbour, who has logged in before, produces small records all the while, one after the other; its
99th percentile is given with and without the others, and the second by the first.

Both brokers run without the other: they share the cores with their clients.
"""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Iterator
from functools import cache
from statistics import quantiles

import trio

from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE, Contender
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale
from odradek import Admin, Producer, Security
from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from odradek.protocol.sasl import scram
from odradek.testing.ports import free_ports
from referee import BrokerProcess
from tests.server.served_broker import Peer

AT_ONCE = 16
SECONDS = 5
USER, PASSWORD, MECHANISM = "alice", "wonder", "SCRAM-SHA-256"
ADMIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required username=admin password=a user_admin="a";'
SCRAM_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


def measure(contenders: list[Contender], scale: Scale) -> Iterator[Measurement]:
    """Starts and stops the brokers itself; they must not be running."""
    least = {PAGE_CACHE: 1.0, FSYNC: 1.0}
    logins = Measurement("logins by SCRAM-SHA-256", "1/s", True, KAFKA, least)
    noticed = Measurement("a neighbour's p99 during logins, of that without", "times", False, KAFKA, {})
    for contender in contenders:
        port = _guard(contender.broker, of_kafka=contender.name == KAFKA)
        with contender.broker:
            for _ in range(scale.rounds):
                rate, times = trio.run(_round, contender.broker, port)
                logins.add(contender.name, rate)
                noticed.add(contender.name, times)
    yield logins
    yield noticed


def _guard(broker: BrokerProcess, *, of_kafka: bool) -> int:
    """Give it a listener by which one logs in, beside the one that it has; return the port."""
    port = free_ports(1)[0]
    controller = f",CONTROLLER://127.0.0.1:{broker._controller_port}" if of_kafka else ""  # type: ignore[attr-defined]
    addresses = f"PLAINTEXT://{broker.bootstrap},GUARDED://127.0.0.1:{port}"
    broker.config.update(
        {
            "listeners": addresses + controller,
            "advertised.listeners": addresses,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,GUARDED:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
            "listener.name.guarded.plain.sasl.jaas.config": ADMIN,
            "listener.name.guarded.scram-sha-256.sasl.jaas.config": SCRAM_MODULE,
        }
    )
    return port


async def _round(broker: BrokerProcess, port: int) -> tuple[float, float]:
    """Logins a second, and how many times as long the neighbour's 99th percentile is as it was."""
    async with Admin(broker.bootstrap) as admin:
        await admin.set_password(USER, PASSWORD, MECHANISM)
    guarded = Security(
        security_protocol="SASL_PLAINTEXT", sasl_mechanism=MECHANISM, sasl_username=USER, sasl_password=PASSWORD
    )
    async with Producer(f"127.0.0.1:{port}", security=guarded, linger_ms=0) as producer:
        await _produce_for(producer, 1)
        alone = await _produce_for(producer, SECONDS)
        counter = itertools.count()
        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(_log_in_again_and_again, port, counter)
            await trio.sleep(1)
            first, began = next(counter), time.perf_counter()
            among = await _produce_for(producer, SECONDS)
            rate = (next(counter) - first) / (time.perf_counter() - began)
            nursery.cancel_scope.cancel()
    return rate, _p99(among) / _p99(alone)


async def _produce_for(producer: Producer, seconds: float) -> list[float]:
    """How long each of many records took, sent one after the other."""
    took, ends = [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends:
        await producer.send_and_wait("neighbour", b"x" * 100)
        took.append(time.perf_counter() - began)
    return took


def _p99(took: list[float]) -> float:
    return quantiles(took, n=100)[98]


async def _log_in_again_and_again(port: int, counter: Iterator[int]) -> None:
    while True:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await _log_in(Peer(stream))
        next(counter)


async def _log_in(peer: Peer) -> None:
    """As ScramExchange does it, but for the salted password, which is remembered."""
    assert not (await peer.ask(SaslHandshakeRequest(MECHANISM), SaslHandshakeResponse, 1)).error_code
    bare = f"n={USER},r=nonce"
    challenge = await peer.ask(SaslAuthenticateRequest(f"n,,{bare}".encode()), SaslAuthenticateResponse, 1)
    server_first = bytes(challenge.auth_bytes).decode()
    said = scram.attributes(server_first)
    client_key = _client_key(said["s"], int(said["i"]))
    final = f"c=biws,r={said['r']}"
    signature = scram.keyed(MECHANISM, scram.digest(MECHANISM, client_key), f"{bare},{server_first},{final}".encode())
    proof = base64.b64encode(scram.xor(client_key, signature)).decode()
    answer = await peer.ask(SaslAuthenticateRequest(f"{final},p={proof}".encode()), SaslAuthenticateResponse, 1)
    assert not answer.error_code, answer


@cache
def _client_key(salt: str, iterations: int) -> bytes:
    salted = scram.salted_password(MECHANISM, PASSWORD, base64.b64decode(salt), iterations)
    return scram.keyed(MECHANISM, salted, b"Client Key")
