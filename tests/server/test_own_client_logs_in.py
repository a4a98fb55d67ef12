"""Our own client over TLS and logged in: right and wrong credentials, certificates and hosts, sessions that end."""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import trio

from odradek import Admin, AuthenticationFailed, BootstrapFailed, Consumer, Producer, Security, TopicPartition
from odradek.activity import Activities
from odradek.admin import users
from odradek.cluster import login as login_of_client
from odradek.cluster.connections import ConnectionPool
from odradek.errors import BrokerError, ConnectionFailed
from odradek.network import Surroundings
from odradek_broker.security import login
from tests.security.signed_tokens import CLAIMS, jwks, token
from tests.server.served_broker import HandClock, Served, serving
from tests.tls.certified import HERE, authority, stranger, trusted, written

JAAS = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="wonder";'


def guarded(directory: Path, protocol: str = "SASL_SSL", **settings: Any) -> Any:
    given = {
        "listeners": f"{protocol}://127.0.0.1:0",
        "ssl.keystore.location": written(directory, authority().issue("broker", HERE)),
        "ssl.truststore.location": trusted(directory),
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        f"listener.name.{protocol.lower()}.plain.sasl.jaas.config": JAAS,
        "bootstrap.scram.users": " ".join(f"SCRAM-SHA-{n}=[name=alice,password=wonder]" for n in (256, 512)),
        "connection.failed.authentication.delay.ms": "0",
    }
    return serving(directory / "data", **given | settings)


def alice(directory: Path, **options: Any) -> Security:
    given = {
        "security_protocol": "SASL_SSL",
        "ssl_ca_file": trusted(directory),
        "sasl_username": "alice",
        "sasl_password": "wonder",
    }
    return Security(**given | options)


def where(served: Served) -> str:
    return f"localhost:{served.port}"


async def values_of(served: Served, security: Security, count: int) -> list[bytes | None]:
    values: list[bytes | None] = []
    async with Consumer(where(served), start="earliest", security=security) as consumer:
        await consumer.assign([TopicPartition("t", 0)])
        while len(values) < count:
            values += [record.value for record in await consumer.poll()]
    return values


@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_what_alice_sends_she_reads(tmp_path: Path, protocol: str, mechanism: str) -> None:
    security = alice(tmp_path, security_protocol=protocol, sasl_mechanism=mechanism)
    async with guarded(tmp_path, protocol) as served:
        async with Producer(where(served), security=security) as producer:
            await producer.send("t", b"v")
        assert await values_of(served, security, 1) == [b"v"]
        names = {str(connection._caller.principal) for connection in served._server._connections}
        assert names <= {"User:alice"}


async def test_a_certificate_is_enough_where_the_listener_wants_one(tmp_path: Path) -> None:
    issued = authority().issue("alice")
    security = Security(
        security_protocol="SSL", ssl_ca_file=trusted(tmp_path), ssl_cert_file=written(tmp_path, issued, "alice.pem")
    )
    async with (
        guarded(tmp_path, "SSL", **{"ssl.client.auth": "required"}) as served,
        Admin(where(served), security=security) as admin,
    ):
        assert await admin.list_topics() == []
        names = {str(connection._caller.principal) for connection in served._server._connections}
        assert names == {"User:CN=alice"}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_wrong_password_is_told_at_once(tmp_path: Path, mechanism: str) -> None:
    security = alice(tmp_path, sasl_mechanism=mechanism, sasl_password="wrong")
    async with guarded(tmp_path) as served:
        with trio.fail_after(5), pytest.raises(AuthenticationFailed, match="Authentication failed") as caught:
            async with Admin(where(served), security=security):
                pass
        assert "wrong" not in str(caught.value)


async def test_a_mechanism_that_the_broker_lacks_is_told_with_those_it_has(tmp_path: Path) -> None:
    security = alice(tmp_path, sasl_mechanism="OAUTHBEARER", sasl_token="t")
    async with guarded(tmp_path) as served:
        with pytest.raises(AuthenticationFailed, match="OAUTHBEARER; the broker offers PLAIN, SCRAM-SHA-256"):
            async with Admin(where(served), security=security):
                pass


async def test_a_broker_that_is_not_who_it_should_be_gets_no_password(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    cases = (
        (alice(tmp_path), written(other, stranger().issue("b", HERE), "s.pem"), "unable to get local issuer"),
        (alice(tmp_path), written(other, authority().issue("b", ["b.example.com"]), "h.pem"), "Hostname mismatch"),
    )
    for security, keys, why in cases:
        async with guarded(tmp_path, **{"ssl.keystore.location": keys}) as served:
            with pytest.raises(BootstrapFailed, match=f"certificate is not believed: {why}"):
                async with Admin(where(served), security=security, connect_timeout_ms=300):
                    pass
            if "Hostname" in why:
                unchecked = alice(tmp_path, ssl_check_hostname=False)
                async with Admin(where(served), security=unchecked) as admin:
                    assert await admin.list_topics() == []


async def test_a_client_logs_in_anew_before_its_session_ends_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker's clock stands still, but for two jumps; the client's own session of a fifth of a second passes."""
    monkeypatch.setattr(login, "BETWEEN_LOGINS_MS", 0)
    clock = HandClock()
    async with guarded(tmp_path, clock=clock, **{"connections.max.reauth.ms": "200"}) as served:
        async with Producer(where(served), security=alice(tmp_path), linger_ms=0) as producer:
            await producer.send("t", b"0")
            clock.advance(150)
            ends = {each: each._login._ends_ms for each in served._server._connections}
            count = 0
            with trio.fail_after(20):
                while any(each._login._ends_ms == ends[each] for each in served._server._connections & ends.keys()):
                    count += 1
                    await producer.send("t", b"%d" % count)
            clock.advance(150)  # only a session that was prolonged is alive now
            await producer.send("t", b"last")
            assert served._server._connections & ends.keys()
        expected = [*(b"%d" % number for number in range(count + 1)), b"last"]
        assert await values_of(served, alice(tmp_path), len(expected)) == expected


async def test_a_token_of_the_identity_provider_is_enough_and_one_for_somebody_else_is_not(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(jwks())
    settings = {
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        "sasl.oauthbearer.jwks.endpoint.url": file.as_uri(),
        "sasl.oauthbearer.expected.issuer": str(CLAIMS["iss"]),
        "sasl.oauthbearer.expected.audience": str(CLAIMS["aud"]),
    }
    ends = int(time.time()) + 600
    async with guarded(tmp_path, **settings) as served:
        good = alice(tmp_path, sasl_mechanism="OAUTHBEARER", sasl_token=lambda: token(exp=ends))
        async with Admin(where(served), security=good) as admin:
            assert await admin.list_topics() == []
            assert {str(each._caller.principal) for each in served._server._connections} == {"User:alice"}
        other = alice(tmp_path, sasl_mechanism="OAUTHBEARER", sasl_token=token(exp=ends, aud="payments"))
        with pytest.raises(AuthenticationFailed, match="it is for somebody else"):
            async with Admin(where(served), security=other):
                pass


async def test_a_token_that_is_not_to_be_had_for_a_while_ends_no_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "BETWEEN_LOGINS_MS", 0)
    file, asked = tmp_path / "keys.json", 0
    file.write_text(jwks())

    def give() -> str:
        nonlocal asked
        asked += 1
        if 1 < asked < 5:
            raise RuntimeError("nobody answers there")
        return token(exp=int(time.time()) + 600)

    settings = {
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        "sasl.oauthbearer.jwks.endpoint.url": file.as_uri(),
        "sasl.oauthbearer.expected.issuer": str(CLAIMS["iss"]),
        "sasl.oauthbearer.expected.audience": str(CLAIMS["aud"]),
        "connections.max.reauth.ms": "300",
    }
    async with guarded(tmp_path, **settings) as served:
        patient = alice(tmp_path, sasl_mechanism="OAUTHBEARER", sasl_token=give)
        async with Producer(where(served), security=patient, linger_ms=0) as producer:
            with trio.fail_after(20):
                while asked < 6:
                    await producer.send("t", b"x")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"security_protocol": "TLS"}, "use one of PLAINTEXT"),
        ({"sasl_mechanism": "GSSAPI"}, "use one of PLAIN"),
        ({"sasl_password": None}, "needs sasl_username and sasl_password"),
        ({"sasl_mechanism": "OAUTHBEARER"}, "needs sasl_token"),
    ],
)
def test_options_that_cannot_work_are_refused_when_they_are_made(
    tmp_path: Path, options: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        alice(tmp_path, **options)
    assert "wonder" not in str(caught.value)
    assert repr(alice(tmp_path)) == "Security(security_protocol='SASL_SSL')"


async def test_a_delegation_token_logs_in_and_is_of_use_until_it_is_ended(tmp_path: Path) -> None:
    async with guarded(tmp_path, **{"delegation.token.secret.key": "s"}) as served:
        async with Admin(where(served), security=alice(tmp_path)) as admin:
            made = await admin.create_delegation_token(max_lifetime_ms=3_600_000)
            assert made.password not in repr(made) and str(made.hmac) not in repr(made)
            by_token = alice(
                tmp_path,
                sasl_mechanism="SCRAM-SHA-256",
                sasl_username=made.token_id,
                sasl_password=made.password,
                sasl_tokenauth=True,
            )
            async with Admin(where(served), security=by_token) as holder:
                assert await holder.list_topics() == []
                with pytest.raises(BrokerError, match="DELEGATION_TOKEN_REQUEST_NOT_ALLOWED"):
                    await holder.create_delegation_token()
            assert await admin.delegation_tokens() == [made] == await admin.delegation_tokens(["alice"])
            assert await admin.renew_delegation_token(made.hmac, 1_000) < made.expires_ms
            await admin.expire_delegation_token(made.hmac)
            assert await admin.delegation_tokens() == []
        with pytest.raises(AuthenticationFailed):
            async with Admin(where(served), security=by_token):
                pass


async def test_what_is_secret_in_a_login_comes_from_the_systems_own_randomness(tmp_path: Path) -> None:
    """Not from what spreads a client's pauses, which somebody could foresee; unless a simulation hands in its own."""
    asked: list[int] = []

    def give(count: int) -> bytes:
        asked.append(count)
        return bytes(count)

    assert Surroundings().secret_bytes is secrets.token_bytes
    async with guarded(tmp_path) as served:
        known = Surroundings(secret_bytes=give)
        async with Admin(where(served), security=alice(tmp_path), surroundings=known) as admin:
            assert set(asked) == {login_of_client.NONCE_BYTES}
            await admin.set_password("bob", "builder")
            assert asked[-1] == users.SALT_BYTES


async def test_a_function_that_gives_no_token_in_time_keeps_nobody_and_few_threads(tmp_path: Path) -> None:
    never, asked = threading.Event(), 0

    def wait() -> str:
        nonlocal asked
        asked += 1
        never.wait(60)
        return "late"

    try:
        security = alice(tmp_path, sasl_mechanism="OAUTHBEARER", sasl_token=wait)
        account = login_of_client.Account(security, secrets.token_bytes, 0.02)
        for _ in range(2 * login_of_client.THREADS):
            with pytest.raises(ConnectionFailed, match="no token within"):
                await account._exchange()
        assert asked == login_of_client.THREADS
        with trio.move_on_after(0.02) as scope:
            await login_of_client.Account(security, secrets.token_bytes, 60)._exchange()
        assert scope.cancelled_caught
    finally:
        never.set()


async def test_whoever_keeps_a_connection_logged_in_ends_with_it(tmp_path: Path) -> None:
    async with (
        guarded(tmp_path, **{"connections.max.reauth.ms": "3600000"}) as served,
        trio.open_nursery() as nursery,
    ):
        pool = ConnectionPool(
            nursery, Surroundings(), Activities(), client_id="c", connect_timeout_s=5, security=alice(tmp_path)
        )
        connection = await pool.connect("b", "p", "localhost", served.port, "b")
        assert nursery.child_tasks
        connection.close()
        with trio.fail_after(5):
            while nursery.child_tasks:
                await trio.lowlevel.checkpoint()


async def test_a_new_password_takes_the_place_of_the_old_one_by_every_mechanism(tmp_path: Path) -> None:
    async with guarded(tmp_path) as served, Admin(where(served), security=alice(tmp_path)) as admin:
        await admin.set_password("alice", "new")
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            new = alice(tmp_path, sasl_mechanism=mechanism, sasl_password="new")
            async with Admin(where(served), security=new) as again:
                assert await again.list_topics() == []
            with pytest.raises(AuthenticationFailed):
                async with Admin(where(served), security=alice(tmp_path, sasl_mechanism=mechanism)):
                    pass
        await admin.set_password("alice", "newer", "SCRAM-SHA-256")
        async with Admin(where(served), security=new):
            pass
        await admin.set_password("carol", "sea")
        assert [each.mechanism for each in (await admin.users())["carol"]] == ["SCRAM-SHA-512"]
