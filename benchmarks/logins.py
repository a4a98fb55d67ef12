"""How many logins by SCRAM a broker takes a second, and what a neighbour notices of it.

    python -m benchmarks.run logins

Clients log in by SCRAM-SHA-256 with frames by hand, each on a connection of its own, AT_ONCE of them at a time. What a
client computes is computed once: the broker gives one salt, so that the salted password is known, and it is the broker
that is measured. A neighbour, who has logged in before, produces small records all the while, one after the other; its
99th percentile is given with and without the others, and the second by the first.

The neighbour is a process of its own, so that it waits for the broker and for the cores, and not for the other clients.
Each broker runs without the others, and shares the cores with its clients.
"""

from __future__ import annotations

import base64
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from statistics import quantiles
from typing import Final

import trio

from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE, Contender
from benchmarks.guarded import LISTENER, guarded
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale
from odradek import Admin, Producer, Security
from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from odradek.protocol.sasl import scram
from referee import BrokerProcess
from tests.server.served_broker import Peer

AT_ONCE = 16
SECONDS, WARM_UP_SECONDS = 5, 2
USER, PASSWORD = "alice", "wonder"
MECHANISM: Final = "SCRAM-SHA-256"
ADMIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required username=admin password=a user_admin="a";'
SCRAM_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
SETTINGS = {
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
    f"{LISTENER}plain.sasl.jaas.config": ADMIN,
    f"{LISTENER}scram-sha-256.sasl.jaas.config": SCRAM_MODULE,
}


def measure(contenders: list[Contender], scale: Scale) -> Iterator[Measurement]:
    """Starts and stops the brokers itself; they must not be running."""
    least = {PAGE_CACHE: 1.0, FSYNC: 1.0}
    logins = Measurement("logins by SCRAM-SHA-256", "1/s", True, KAFKA, least)
    noticed = Measurement("a neighbour's p99 during logins, of that without", "times", False, KAFKA, {})
    for contender in contenders:
        broker, port = guarded(contender, "SASL_PLAINTEXT", SETTINGS)
        with broker:
            for _ in range(scale.rounds):
                rate, times = trio.run(_round, broker, port)
                logins.add(contender.name, rate)
                noticed.add(contender.name, times)
    yield logins
    yield noticed


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
        words = [sys.executable, "-m", "benchmarks.logins", str(port)]
        others = await trio.lowlevel.open_process(words, stdout=subprocess.PIPE)
        assert others.stdout is not None
        await trio.sleep(WARM_UP_SECONDS)
        among = await _produce_for(producer, SECONDS)
        said = b"".join([piece async for piece in others.stdout])
        await others.wait()
    return float(said), _p99(among) / _p99(alone)


async def _produce_for(producer: Producer, seconds: float) -> list[float]:
    """How long each of many records took, sent one after the other."""
    took, ends = [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends:
        await producer.send_and_wait("neighbour", b"x" * 100)
        took.append(time.perf_counter() - began)
    return took


def _p99(took: list[float]) -> float:
    return quantiles(took, n=100)[98]


async def _many(port: int) -> None:
    """Log in AT_ONCE at a time for longer than the neighbour is watched, and print how many a second did."""
    counter = itertools.count()
    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(_log_in_again_and_again, port, counter)
        await trio.sleep(WARM_UP_SECONDS)
        first, began = next(counter), time.perf_counter()
        await trio.sleep(SECONDS)
        print((next(counter) - first) / (time.perf_counter() - began), flush=True)
        nursery.cancel_scope.cancel()


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


if __name__ == "__main__":
    trio.run(_many, int(sys.argv[1]))
