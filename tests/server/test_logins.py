"""A broker that asks for a login, on real sockets: frames by hand."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    ScramCredentialUpsertion,
)
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    UserName,
)
from odradek.protocol.messages.metadata import MetadataRequest
from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from odradek.protocol.sasl.exchange import Exchange
from odradek.protocol.sasl.plain import PlainExchange
from odradek.protocol.sasl.scram import ScramExchange, salted_password
from odradek_broker.server.progress import DEADLINE_MS
from tests.server.served_broker import HandClock, Peer, Served, frame_of, serving
from tests.tls.certified import HERE, authority, client_side, written

JAAS = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="wonder" user_bob="builder";'
USERS = "SCRAM-SHA-256=[name=carol,password=sea] SCRAM-SHA-512=[name=carol,password=sea]"


def guarded(directory: Path, **settings: Any) -> Any:
    return serving(
        directory,
        **{
            "listeners": "SASL_PLAINTEXT://127.0.0.1:0",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": JAAS,
            "bootstrap.scram.users": USERS,
            "connection.failed.authentication.delay.ms": "0",
        }
        | settings,
    )


def plain(user: str = "alice", password: str = "wonder") -> PlainExchange:
    return PlainExchange(user, password)


async def begin(peer: Peer, mechanism: str, version: int = 1) -> SaslHandshakeResponse:
    return await peer.ask(SaslHandshakeRequest(mechanism), SaslHandshakeResponse, version)


async def log_in(peer: Peer, exchange: Exchange) -> SaslAuthenticateResponse:
    """The last answer."""
    assert (await begin(peer, exchange.mechanism)).error_code == ErrorCode.NONE
    token: bytes | None = exchange.first()
    while token is not None:
        answer = await peer.ask(SaslAuthenticateRequest(token), SaslAuthenticateResponse, 2)
        if answer.error_code:
            return answer
        token = exchange.reply(bytes(answer.auth_bytes))
    return answer


def principals(served: Served) -> list[str]:
    return [str(connection._caller.principal) for connection in served._server._connections]


@pytest.mark.parametrize(
    "exchange",
    [
        plain(),
        ScramExchange("SCRAM-SHA-256", "carol", "sea", "nonce"),
        ScramExchange("SCRAM-SHA-512", "carol", "sea", "nonce"),
    ],
    ids=lambda exchange: exchange.mechanism,
)
async def test_who_logs_in_is_served_under_their_name(tmp_path: Path, exchange: Exchange) -> None:
    async with guarded(tmp_path) as served:
        peer = await served.connect()
        assert (await peer.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)).error_code == ErrorCode.NONE
        answer = await log_in(peer, exchange)
        assert (answer.error_code, answer.error_message) == (ErrorCode.NONE, None)
        await peer.make_topic()
        assert principals(served) == ["User:carol" if "SCRAM" in exchange.mechanism else "User:alice"]


@pytest.mark.parametrize(
    "exchange",
    [plain(password="wrong"), plain("nobody"), ScramExchange("SCRAM-SHA-256", "carol", "lake", "nonce")],
)
async def test_who_is_refused_hears_why_and_is_gone(tmp_path: Path, exchange: Exchange) -> None:
    async with guarded(tmp_path) as served:
        peer = await served.connect()
        answer = await log_in(peer, exchange)
        assert answer.error_code == ErrorCode.SASL_AUTHENTICATION_FAILED
        assert str(answer.error_message).startswith("Authentication failed")
        assert await peer.is_closed()


async def test_who_is_refused_waits_to_hear_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = trio.sleep

    async def note(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0 if seconds == 4.321 else seconds)

    monkeypatch.setattr(trio, "sleep", note)
    async with guarded(tmp_path, **{"connection.failed.authentication.delay.ms": "4321"}) as served:
        await log_in(await served.connect(), plain(password="wrong"))
        assert slept.count(4.321) == 1
        peer = await served.connect()
        await begin(peer, "PLAIN", version=0)
        await peer.stream.send_all(struct.pack(">i", 3) + b"\0a\0")
        assert await peer.is_closed()
        assert slept.count(4.321) == 2


async def test_a_mechanism_that_is_not_offered_is_answered_with_those_that_are(tmp_path: Path) -> None:
    async with guarded(tmp_path) as served:
        peer = await served.connect()
        answer = await begin(peer, "GSSAPI")
        assert answer.error_code == ErrorCode.UNSUPPORTED_SASL_MECHANISM
        assert list(answer.mechanisms) == ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
        assert await peer.is_closed()


@pytest.mark.parametrize("after_handshake", [False, True])
async def test_nothing_else_is_answered_before_the_login(tmp_path: Path, after_handshake: bool) -> None:
    """Not even whether a topic exists; each API there is, in turn, and those that brokers alone use."""
    async with guarded(tmp_path) as served:
        keys = set(range(80)) - {17, 18, 36} | {20001, 20002, 20003, -1}
        for api_key in sorted(keys):
            peer = await served.connect()
            if after_handshake:
                await begin(peer, "PLAIN")
            await peer.stream.send_all(struct.pack(">ihhih", 10, api_key, 0, 7, -1))
            assert await peer.is_closed(), api_key
        assert not served.broker.image.topics


async def test_bare_tokens_after_version_0_log_in_as_well(tmp_path: Path) -> None:
    async with guarded(tmp_path) as served:
        for exchange in (plain(), ScramExchange("SCRAM-SHA-512", "carol", "sea", "nonce")):
            peer = await served.connect()
            assert (await begin(peer, exchange.mechanism, version=0)).error_code == ErrorCode.NONE
            token: bytes | None = exchange.first()
            while token is not None:
                await peer.stream.send_all(struct.pack(">i", len(token)) + token)
                (size,) = struct.unpack(">i", await peer._exactly(4))
                token = exchange.reply(await peer._exactly(size))
            assert await peer.is_answered()
        assert sorted(principals(served)) == ["User:alice", "User:carol"]


async def test_a_frame_before_the_login_is_small_and_one_after_it_may_be_large(tmp_path: Path) -> None:
    async with guarded(tmp_path) as served:
        hostile, peer = await served.connect(), await served.connect()
        await hostile.stream.send_all(struct.pack(">i", 512 * 1024 + 1))
        assert await hostile.is_closed()
        await log_in(peer, plain())
        frame = frame_of(ApiVersionsRequest(), 0, 2)
        padding = b"\0" * (600 * 1024)
        await peer.stream.send_all(struct.pack(">i", len(frame) - 4 + len(padding)) + frame[4:] + padding)
        _, answer = await peer.receive(ApiVersionsResponse, 0)
        assert answer.error_code == ErrorCode.NONE


async def test_who_does_not_log_in_in_time_makes_place(tmp_path: Path) -> None:
    clock = HandClock()
    async with guarded(tmp_path, clock=clock) as served:
        idle, peer = await served.connect(), await served.connect()
        assert await idle.is_answered()
        await log_in(peer, plain())
        clock.advance(DEADLINE_MS)
        served.tick()
        assert await idle.is_closed()
        assert await peer.is_answered()


async def test_a_session_that_is_over_is_ended_unless_it_was_prolonged(tmp_path: Path) -> None:
    clock = HandClock()
    async with guarded(tmp_path, clock=clock, **{"connections.max.reauth.ms": "60000"}) as served:
        kept, ended = await served.connect(), await served.connect()
        for peer in (kept, ended):
            assert (await log_in(peer, plain())).session_lifetime_ms == 60_000
        clock.advance(59_999)
        assert await kept.is_answered() and await ended.is_answered()
        assert (await log_in(kept, plain())).session_lifetime_ms == 60_000
        clock.advance(1)
        assert await kept.is_answered()
        await ended.send(MetadataRequest([], False), 9)
        assert await ended.is_closed()


async def test_a_user_is_made_changed_and_described_without_their_password(tmp_path: Path) -> None:
    async with guarded(tmp_path) as served:
        peer = await served.connect()
        await log_in(peer, plain())
        salted = salted_password("SCRAM-SHA-256", "dive", b"salt", 4096)
        made = await peer.ask(
            AlterUserScramCredentialsRequest([], [ScramCredentialUpsertion("dave", 1, 4096, b"salt", salted)]),
            AlterUserScramCredentialsResponse,
            0,
        )
        assert [(each.user, each.error_code) for each in made.results] == [("dave", ErrorCode.NONE)]
        dave = await served.connect()
        assert (await log_in(dave, ScramExchange("SCRAM-SHA-256", "dave", "dive", "nonce"))).error_code == 0
        asked = DescribeUserScramCredentialsRequest(
            [UserName("dave"), UserName("carol"), UserName("eve"), UserName("twice"), UserName("twice")]
        )
        described = await peer.ask(asked, DescribeUserScramCredentialsResponse, 0)
        assert {
            each.user: (each.error_code, [(one.mechanism, one.iterations) for one in each.credential_infos])
            for each in described.results
        } == {
            "dave": (ErrorCode.NONE, [(1, 4096)]),
            "carol": (ErrorCode.NONE, [(1, 4096), (2, 4096)]),
            "eve": (ErrorCode.RESOURCE_NOT_FOUND, []),
            "twice": (ErrorCode.DUPLICATE_RESOURCE, []),
        }
        everybody = await peer.ask(DescribeUserScramCredentialsRequest(None), DescribeUserScramCredentialsResponse, 0)
        assert [each.user for each in everybody.results] == ["carol", "dave"]


async def test_a_start_changes_the_salt_of_no_user_be_there_one_or_not(tmp_path: Path) -> None:
    """Else whoever asks before and after knows who there is."""

    async def salts(served: Served) -> list[bytes]:
        found = []
        for user in ("carol", "nobody"):
            peer = await served.connect()
            await begin(peer, "SCRAM-SHA-256")
            first = SaslAuthenticateRequest(ScramExchange("SCRAM-SHA-256", user, "", "nonce").first())
            answer = await peer.ask(first, SaslAuthenticateResponse, 2)
            found.append(bytes(answer.auth_bytes).split(b",")[1])
        return found

    async with guarded(tmp_path) as served:
        before = await salts(served)
    async with guarded(tmp_path) as served:
        assert await salts(served) == before


async def test_a_login_over_tls(tmp_path: Path) -> None:
    keys = written(tmp_path, authority().issue("broker", HERE))
    async with guarded(
        tmp_path / "data",
        **{
            "listeners": "SASL_SSL://127.0.0.1:0",
            "ssl.keystore.location": keys,
            "listener.name.sasl_ssl.plain.sasl.jaas.config": JAAS,
        },
    ) as served:
        stream = trio.SSLStream((await served.connect()).stream, client_side(), server_hostname="localhost")
        peer = Peer(stream)  # type: ignore[arg-type]
        await log_in(peer, plain())
        await peer.make_topic()
        assert principals(served) == ["User:alice"]


async def test_no_frame_that_is_made_up_does_more_than_end_its_own_connection(tmp_path: Path) -> None:
    """Before the login and in the midst of it: mutations of frames that are right, and what is no frame at all."""
    random, right = Random(4), []
    right.append(frame_of(ApiVersionsRequest(client_software_name="a", client_software_version="1"), 3))
    right.append(frame_of(SaslHandshakeRequest("SCRAM-SHA-256"), 1))
    right += [frame_of(SaslAuthenticateRequest(b"n,,n=carol,r=x"), version) for version in (0, 2)]
    async with guarded(tmp_path) as served:
        for number in range(150):
            peer = await served.connect()
            if number % 2:
                await begin(peer, random.choice(["PLAIN", "SCRAM-SHA-512"]), version=number // 2 % 2)
            frame = bytearray(random.choice(right))
            for _ in range(random.randrange(1, 4)):
                frame[random.randrange(4, len(frame))] = random.randrange(256)
            await peer.stream.send_all(frame[: random.randrange(4, len(frame) + 1)])
            await peer.stream.send_eof()
            assert await peer.is_closed()
        honest = await served.connect()
        assert (await log_in(honest, plain())).error_code == ErrorCode.NONE
        assert not served.broker.image.topics
        assert served.connection_count == 1


async def test_nothing_secret_is_written_to_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    async with guarded(tmp_path) as served:
        await log_in(await served.connect(), plain())
        await log_in(await served.connect(), plain(password="wrongly"))
        broken = await served.connect()
        await begin(broken, "PLAIN")
        await broken.stream.send_all(struct.pack(">ihhih", 10 + 9, 36, 9, 7, -1) + b"\0a\0wonder")
        assert await broken.is_closed()
    shown = caplog.text + repr(served.broker.config) + repr(SaslAuthenticateRequest(b"\0alice\0wonder"))
    assert "does not come in by SASL_PLAINTEXT: its login by PLAIN was refused" in shown
    for secret in ("wonder", "wrongly", "builder", "sea]"):
        assert secret not in shown
