"""Delegation tokens over the wire: every answer as Apache Kafka 4.4.0 gives it; a session by token, and its end."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_delegation_token import (
    CreateDelegationTokenRequest,
    CreateDelegationTokenResponse,
)
from odradek.protocol.messages.describe_delegation_token import (
    DescribeDelegationTokenRequest,
    DescribeDelegationTokenResponse,
)
from odradek.protocol.messages.metadata import MetadataRequest
from odradek.protocol.sasl.plain import PlainExchange
from odradek.protocol.sasl.scram import ScramExchange
from odradek_broker.ports.clock import SystemClock
from tests.server.served_broker import HandClock, Peer, serving
from tests.server.test_logins import log_in
from tests.server.token_conversation import DAY_MS, JAAS, SETTINGS, Conversation, differences


def with_tokens(directory: Path, **changes: Any) -> Any:
    settings = {
        "listeners": "SASL_PLAINTEXT://127.0.0.1:0,PLAINTEXT://127.0.0.1:0",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": JAAS,
        "connection.failed.authentication.delay.ms": "0",
        **SETTINGS,
    }
    return serving(directory, **settings | changes)


async def test_every_answer_is_that_of_apache_kafka(tmp_path: Path) -> None:
    async with with_tokens(tmp_path) as served:
        secured, plain = (address[1] for address in served._server.addresses)

        async def connect(logs_in: bool) -> Peer:
            served.port = secured if logs_in else plain
            peer: Peer = await served.connect()
            return peer

        said = await Conversation(connect, SystemClock().now_ms).hold()
    assert not differences(said)


async def make_token(peer: Peer) -> CreateDelegationTokenResponse:
    made = await peer.ask(CreateDelegationTokenRequest(max_lifetime_ms=-1), CreateDelegationTokenResponse, 3)
    assert made.error_code == ErrorCode.NONE
    return made


def by_token(made: CreateDelegationTokenResponse) -> ScramExchange:
    password = base64.b64encode(bytes(made.hmac)).decode()
    return ScramExchange("SCRAM-SHA-512", made.token_id, password, "nonce", by_token=True)


async def test_a_session_by_token_is_over_with_the_token_though_sessions_do_not_end(tmp_path: Path) -> None:
    clock = HandClock()
    async with with_tokens(tmp_path, clock=clock) as served:
        owner, holder = await served.connect(), await served.connect()
        await log_in(owner, PlainExchange("alice", "alice"))
        lifetime_ms = (await log_in(holder, by_token(await make_token(owner)))).session_lifetime_ms
        assert DAY_MS - 60_000 < lifetime_ms <= DAY_MS
        clock.advance(lifetime_ms - 1)
        assert await holder.is_answered()
        clock.advance(1)
        await holder.send(MetadataRequest([], False), 9)
        assert await holder.is_closed()
        assert await owner.is_answered()


async def test_who_logs_in_anew_without_the_token_may_have_tokens_made_again(tmp_path: Path) -> None:
    clock = HandClock()
    settings = {"bootstrap.scram.users": "SCRAM-SHA-512=[name=alice,password=wonder]"}
    async with with_tokens(tmp_path, clock=clock, **settings) as served:
        owner, holder = await served.connect(), await served.connect()
        await log_in(owner, PlainExchange("alice", "alice"))
        await log_in(holder, by_token(await make_token(owner)))
        clock.advance(2_000)
        await log_in(holder, ScramExchange("SCRAM-SHA-512", "alice", "wonder", "nonce"))
        await make_token(holder)


async def test_tokens_are_kept_through_a_restart(tmp_path: Path) -> None:
    async with with_tokens(tmp_path) as served:
        owner = await served.connect()
        await log_in(owner, PlainExchange("alice", "alice"))
        made = await make_token(owner)
    async with with_tokens(tmp_path, seed=2) as served:
        holder = await served.connect()
        assert not (await log_in(holder, by_token(made))).error_code


@pytest.mark.parametrize("key", ["", "another"])
async def test_with_another_secret_or_none_no_token_logs_in(tmp_path: Path, key: str) -> None:
    async with with_tokens(tmp_path) as served:
        owner = await served.connect()
        await log_in(owner, PlainExchange("alice", "alice"))
        made = await make_token(owner)
    async with with_tokens(tmp_path, seed=2, **{"delegation.token.secret.key": key}) as served:
        owner, holder = await served.connect(), await served.connect()
        assert (await log_in(holder, by_token(made))).error_code == ErrorCode.SASL_AUTHENTICATION_FAILED
        await log_in(owner, PlainExchange("alice", "alice"))
        described = await owner.ask(DescribeDelegationTokenRequest(None), DescribeDelegationTokenResponse, 3)
        assert described.error_code == (ErrorCode.NONE if key else ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED)
