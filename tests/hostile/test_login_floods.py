"""Strangers by the thousand who guess, break off, or say what is no login: the broker's memory stays what it was."""

from __future__ import annotations

import gc
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest
from odradek.protocol.sasl.plain import PlainExchange
from odradek.protocol.sasl.scram import ScramExchange
from odradek_broker.config import BrokerConfig
from odradek_broker.server.entrance import Entrance
from tests.server.served_broker import Peer, Served, frame_of, serving
from tests.server.test_logins import begin, log_in

PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="wonder";'
AT_ONCE = 100
MOST_NEW_BLOCKS = 20_000
"""Of Python's allocator, be they as many strangers as they like: a megabyte or so."""


def guarded(directory: Path, **settings: str) -> Any:
    given = {
        "listeners": "SASL_PLAINTEXT://127.0.0.1:0",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,OAUTHBEARER",
        "sasl.oauthbearer.unsecured.tokens": "true",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": PLAIN,
        "bootstrap.scram.users": "SCRAM-SHA-256=[name=alice,password=wonder]",
        "connection.failed.authentication.delay.ms": "0",
        "delegation.token.secret.key": "secret",
    }
    return serving(directory, **given | settings)


def blocks() -> int:
    gc.collect()
    return sys.getallocatedblocks()


async def in_waves(served: Served, strangers: int, work: Any) -> int:
    """How many more blocks there are after all of them than after the first wave."""
    before = None
    for first in range(0, strangers, AT_ONCE):
        async with trio.open_nursery() as nursery:
            for number in range(first, first + AT_ONCE):
                nursery.start_soon(work, number)
        served._streams.clear()
        with trio.fail_after(120):
            while served.connection_count:  # noqa: ASYNC110  of that nobody tells
                await trio.sleep(0.01)
        before = blocks() if before is None else before
    assert before is not None
    return blocks() - before


MANY = [pytest.param(1_000, marks=pytest.mark.slow), pytest.param(10_000, marks=pytest.mark.soak)]


@pytest.mark.parametrize("strangers", MANY)
async def test_logins_that_were_begun_and_left_leave_nothing(tmp_path: Path, strangers: int) -> None:
    """In each state in which one can break off: of users and tokens that there are, or are not."""
    async with guarded(tmp_path) as served:

        async def leave(number: int) -> None:
            peer = await served.connect()
            if number % 4:
                await begin(peer, "SCRAM-SHA-256", version=1)
            if number % 4 > 1:
                name, by_token = ("alice" if number % 8 > 3 else f"nobody-{number}"), number % 4 == 3
                exchange = ScramExchange("SCRAM-SHA-256", name, "guess", f"nonce{number}", by_token=by_token)
                await peer.ask(SaslAuthenticateRequest(exchange.first()), SaslAuthenticateResponse, 2)
            await peer.stream.aclose()

        assert await in_waves(served, strangers, leave) < MOST_NEW_BLOCKS


@pytest.mark.parametrize("strangers", MANY)
async def test_guesses_by_the_thousand_leave_nothing_and_whoever_knows_comes_in(tmp_path: Path, strangers: int) -> None:
    async with guarded(tmp_path) as served:

        async def guess(number: int) -> None:
            peer = await served.connect()
            name = f"user-{number}" if number % 2 else "alice"
            if number % 3:
                answer = await log_in(peer, PlainExchange(name, f"guess-{number}"))
            else:
                answer = await log_in(peer, ScramExchange("SCRAM-SHA-256", name, f"guess-{number}", "nonce"))
            assert answer.error_code
            await peer.stream.aclose()

        assert await in_waves(served, strangers, guess) < MOST_NEW_BLOCKS
        assert not (await log_in(await served.connect(), PlainExchange("alice", "wonder"))).error_code


def conversation(mechanism: str) -> list[bytes]:
    first = {
        "PLAIN": b"\0alice\0wonder",
        "SCRAM-SHA-256": b"n,,n=alice,r=nonce,tokenauth=true",
        "OAUTHBEARER": b"n,,\x01auth=Bearer a.b.c\x01\x01",
    }[mechanism]
    return [frame_of(SaslHandshakeRequest(mechanism), 1), frame_of(SaslAuthenticateRequest(first), 2)]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"])
async def test_a_login_may_be_cut_off_behind_each_byte_and_each_part_may_be_wrong(
    tmp_path: Path, mechanism: str
) -> None:
    """Every beginning of what is said, and every beginning of a token in a frame that is whole."""
    hello, token = conversation(mechanism)
    async with guarded(tmp_path) as served:
        for end in range(len(hello + token)):
            peer = await served.connect()
            await peer.stream.send_all((hello + token)[:end])
            await peer.stream.aclose()
        full = token[token.index(b"\0alice" if mechanism == "PLAIN" else b"n,,") :].rstrip(b"\0")
        for end in range(len(full)):
            peer = await served.connect()
            await begin(peer, mechanism)
            answer = await peer.ask(SaslAuthenticateRequest(full[:end]), SaslAuthenticateResponse, 2)
            if answer.error_code:
                assert await peer.is_closed()
        with trio.fail_after(30):
            await served.disconnect_all()
            while served.connection_count:  # noqa: ASYNC110  of that nobody tells
                await trio.sleep(0.01)
        assert not (await log_in(await served.connect(), PlainExchange("alice", "wonder"))).error_code


@pytest.mark.parametrize(
    ("cve", "body"),
    [
        ("2026-111115", b"\x00\xff\xff\xff\xff\x0f"),  # SaslAuthenticate v2: no bytes, and 2^32 tagged fields
        ("2026-111108", b"\xff\xff\xff\xff\x0f"),  # its bytes are announced to be 2^32 long
    ],
)
async def test_cve_before_the_login_nothing_is_taken_for_what_is_only_announced(
    tmp_path: Path, cve: str, body: bytes
) -> None:
    async with guarded(tmp_path) as served:
        before = blocks()
        for _ in range(50):
            peer = await served.connect()
            await begin(peer, "PLAIN")
            await send_body(peer, body)
            assert await peer.is_closed(), cve
        assert blocks() - before < MOST_NEW_BLOCKS


async def send_body(peer: Peer, body: bytes) -> None:
    """A SaslAuthenticate request, version 2, of these bytes."""
    header = struct.pack(">hhih", 36, 2, 7, -1) + b"\0"
    await peer.stream.send_all(struct.pack(">i", len(header + body)) + header + body)


async def test_of_all_strangers_one_takes_a_step_in_a_round_of_the_loop() -> None:
    entrance = Entrance("PLAINTEXT", BrokerConfig())
    stepped = await steps(entrance, [f"10.0.0.{number}" for number in range(50)])
    assert len(set(stepped)) == 50
    assert max(stepped) - min(stepped) == 49, "a round in which nobody steps though somebody waits is lost"
    assert not entrance.turns.waiting


async def test_a_turn_costs_one_round_of_the_loop() -> None:
    entrance, rounds = Entrance("PLAINTEXT", BrokerConfig()), Rounds()
    await trio.lowlevel.checkpoint()
    trio.lowlevel.add_instrument(rounds)
    try:
        for number in range(1, 4):
            await entrance.wait_turn("10.0.0.1")
            assert rounds.count == number
    finally:
        trio.lowlevel.remove_instrument(rounds)


async def test_connections_of_one_address_by_the_hundred_keep_nobody_else_from_a_step() -> None:
    entrance = Entrance("PLAINTEXT", BrokerConfig())
    stepped = await steps(entrance, [*["10.0.0.1"] * 200, "10.0.0.2"])
    assert stepped[-1] < 10
    assert len(set(stepped)) == 201
    assert not entrance.turns.waiting


async def test_who_goes_while_waiting_for_a_turn_leaves_nothing_and_holds_nobody_up() -> None:
    entrance = Entrance("PLAINTEXT", BrokerConfig())
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(entrance.wait_turn, "10.0.0.1")
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert not entrance.turns.waiting
    assert await steps(entrance, ["10.0.0.1"])


class Rounds(trio.abc.Instrument):
    """Of the loop."""

    count = 0

    def after_io_wait(self, timeout: float) -> None:
        self.count += 1


async def steps(entrance: Entrance, hosts: list[str]) -> list[int]:
    """In which round of the loop a stranger of each host has made a step."""
    rounds, stepped = Rounds(), dict[int, int]()

    async def step(number: int) -> None:
        await entrance.wait_turn(hosts[number])
        stepped[number] = rounds.count

    trio.lowlevel.add_instrument(rounds)
    try:
        async with trio.open_nursery() as nursery:
            for number in range(len(hosts)):
                nursery.start_soon(step, number)
    finally:
        trio.lowlevel.remove_instrument(rounds)
    return [stepped[number] for number in range(len(hosts))]


async def test_each_step_of_a_stranger_waits_for_its_turn_and_nobody_who_is_in_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, wait_turn = 0, Entrance.wait_turn

    async def count(entrance: Entrance, host: str, mechanism: str) -> None:
        nonlocal turns
        turns += 1
        await wait_turn(entrance, host, mechanism)

    monkeypatch.setattr(Entrance, "wait_turn", count)
    async with guarded(tmp_path) as served:
        peer = await served.connect()
        await log_in(peer, ScramExchange("SCRAM-SHA-256", "alice", "wonder", "nonce"))
        assert turns == 3
        assert await peer.is_answered()
        assert turns == 3
