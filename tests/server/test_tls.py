"""A broker over TLS, on real sockets."""

from __future__ import annotations

import itertools
import logging
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from odradek.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from odradek_broker.ports import handshakes
from odradek_broker.ports.handshakes import MOST_UNDER_WAY, HandshakeFailed, Handshakes
from odradek_broker.ports.tcp_network import TcpNetwork
from odradek_broker.tls.contexts import server_context
from odradek_broker.tls.renewal import RenewedTls
from tests.server.served_broker import Peer, Served, produce, serving
from tests.tls.certified import HERE, authority, client_side, stranger, trusted, written

UNKNOWN_CURVE = """-----BEGIN PRIVATE KEY-----
ME4CAQAwEAYHKoZIzj0CAQYFK4EEAAYENzA1AgEBBA5yFn8XN96aZT3KO3VEJqEg
Ax4ABNlUscslNbPtouyaOXQFVBwWN39ZJcTdn2LqyXw=
-----END PRIVATE KEY-----
"""
"""Of secp112r1, which is good for nothing else than this."""


def over_tls(directory: Path, **settings: str) -> Any:
    keys = written(directory, authority().issue("broker", HERE))
    return serving(directory / "data", **{"listeners": "SSL://127.0.0.1:0", "ssl_keystore_location": keys} | settings)


async def shaken(served: Served, context: ssl.SSLContext, name: str = "localhost") -> Peer:
    """A peer that has done its handshake; in TLS 1.3 the broker may still refuse it."""
    stream = trio.SSLStream((await served.connect()).stream, context, server_hostname=name)
    await stream.do_handshake()
    return Peer(stream)  # type: ignore[arg-type]


def principals(served: Served) -> list[str]:
    return [str(connection._caller.principal) for connection in served._server._connections]


async def test_what_is_produced_over_tls_is_fetched(tmp_path: Path) -> None:
    async with over_tls(tmp_path) as served:
        peer = await shaken(served, client_side())
        await peer.make_topic()
        large = bytes(range(256)) * 2000
        for values in ([b"a"], [large, large], [b"b"] * 1000):
            assert (await peer.produce(produce(*values))).error_code == 0
        assert await peer.values() == [b"a", large, large, *[b"b"] * 1000]
        assert principals(served) == ["User:ANONYMOUS"]


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
async def test_a_protocol_that_is_not_enabled_is_not_spoken(tmp_path: Path, protocol: str) -> None:
    async with over_tls(tmp_path, ssl_enabled_protocols=protocol) as served:
        peer = await shaken(served, client_side())
        assert await peer.is_answered()
        assert peer.stream.version() == protocol  # type: ignore[attr-defined]
        other = client_side()
        wanted = ssl.TLSVersion.TLSv1_3 if protocol == "TLSv1.2" else ssl.TLSVersion.TLSv1_2
        other.minimum_version = other.maximum_version = wanted
        with pytest.raises(trio.BrokenResourceError):
            await shaken(served, other)


async def test_only_a_suite_that_is_named_is_spoken(tmp_path: Path) -> None:
    suite = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    async with over_tls(tmp_path, ssl_cipher_suites=suite) as served:
        peer = await shaken(served, client_side())
        assert await peer.is_answered()
        assert peer.stream.cipher()[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"  # type: ignore[attr-defined]


async def test_who_speaks_no_tls_is_let_go_and_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "odradek_broker.server.endings")
    async with over_tls(tmp_path) as served:
        plain, silent = await served.connect(), await served.connect()
        await plain.send(produce(b"x"), 9)
        assert await plain.is_closed()
        assert await (await shaken(served, client_side())).is_answered()
        await silent.stream.aclose()
    assert "does not come in by SSL: TLS: wrong version number" in caplog.text


async def test_a_frame_that_looks_like_an_answer_of_tls_ends_a_plain_connection_only(tmp_path: Path) -> None:
    """An alert of TLS, read as the size of a frame, is 352,518,912 bytes."""
    async with serving(tmp_path) as served:
        with pytest.raises(trio.BrokenResourceError):
            await shaken(served, client_side())
        assert await (await served.connect()).is_answered()


async def test_who_has_to_show_a_certificate_and_has_none_or_a_strangers_does_not_come_in(tmp_path: Path) -> None:
    trust = trusted(tmp_path)
    late = authority().issue("alice", since=datetime.now(UTC) - timedelta(days=9), days=1)
    async with over_tls(tmp_path, ssl_client_auth="required", ssl_truststore_location=trust) as served:
        for shown in (None, stranger().issue("alice"), late):
            with pytest.raises((trio.BrokenResourceError, AssertionError)):
                await (await shaken(served, client_side(shown, tmp_path))).is_answered()


@pytest.mark.parametrize("auth", ["required", "requested"])
async def test_a_certificate_says_who_somebody_is(tmp_path: Path, auth: str) -> None:
    async with over_tls(
        tmp_path,
        ssl_client_auth=auth,
        ssl_truststore_location=trusted(tmp_path),
        ssl_principal_mapping_rules="RULE:^CN=(.*)$/$1/U",
    ) as served:
        peer = await shaken(served, client_side(authority().issue("alice"), tmp_path))
        assert await peer.is_answered()
        assert principals(served) == ["User:ALICE"]


async def test_who_need_not_show_a_certificate_is_nobody(tmp_path: Path) -> None:
    async with over_tls(tmp_path, ssl_client_auth="requested", ssl_truststore_location=trusted(tmp_path)) as served:
        assert await (await shaken(served, client_side())).is_answered()
        assert principals(served) == ["User:ANONYMOUS"]


async def test_a_name_that_no_rule_fits_ends_the_connection(tmp_path: Path) -> None:
    async with over_tls(
        tmp_path,
        ssl_client_auth="required",
        ssl_truststore_location=trusted(tmp_path),
        ssl_principal_mapping_rules="RULE:^CN=admin$/admin/",
    ) as served:
        peer = await shaken(served, client_side(authority().issue("alice"), tmp_path))
        with pytest.raises((trio.BrokenResourceError, AssertionError)):
            await peer.is_answered()


async def test_each_listener_may_have_a_certificate_of_its_own(tmp_path: Path) -> None:
    names = {}
    outer = written(tmp_path, authority().issue("outer", HERE), "outer.pem")
    async with over_tls(
        tmp_path,
        listeners="OUTER://127.0.0.1:0,INNER_ONE://127.0.0.1:0",
        listener_security_protocol_map="OUTER:SSL,INNER_ONE:SSL",
        **{"listener.name.outer.ssl.keystore.location": outer},
    ) as served:
        for listener, (_, port) in zip(("OUTER", "INNER_ONE"), served._server.addresses, strict=True):
            served.port = port
            peer = await shaken(served, client_side())
            assert await peer.is_answered()
            names[listener] = peer.stream.getpeercert()["subject"][0][0][1]  # type: ignore[attr-defined]
    assert names == {"OUTER": "outer", "INNER_ONE": "broker"}


async def test_a_certificate_is_exchanged_while_connections_stay(tmp_path: Path) -> None:
    async with over_tls(tmp_path) as served:
        (entrance,) = served._server._entrances
        first = await shaken(served, client_side())
        written(tmp_path, authority().issue("renewed", HERE))
        entrance.tls.renew()
        second = await shaken(served, client_side())
        assert await first.is_answered() and await second.is_answered()
        assert second.stream.getpeercert()["subject"][0][0][1] == "renewed"  # type: ignore[attr-defined]


def test_what_cannot_be_used_does_not_replace_what_can(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from odradek_broker.config import BrokerConfig

    path = written(tmp_path, authority().issue("broker"))
    tls = RenewedTls(server_context, BrokerConfig(ssl_keystore_location=path), "listener SSL")
    before = tls.context
    Path(path).write_text("half of a")
    tls.renew()
    tls.renew()
    assert tls.context is before
    (record,) = caplog.records
    assert "listener SSL keeps its certificates" in record.message
    written(tmp_path, authority().issue("broker"))
    tls.renew()
    assert tls.context is not before


def test_a_certificate_that_is_not_valid_yet_is_taken_up_when_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.tls import contexts

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(minutes=2)

    path = written(tmp_path, authority().issue("broker"))
    tls = RenewedTls(server_context, BrokerConfig(ssl_keystore_location=path), "listener SSL")
    before = tls.context
    written(tmp_path, authority().issue("broker", since=datetime.now(UTC) + timedelta(minutes=1)))
    tls.renew()
    tls.renew()
    assert tls.context is before
    assert len(caplog.records) == 1
    monkeypatch.setattr(contexts, "datetime", Later)
    tls.renew()
    assert tls.context is not before


def test_a_key_of_a_kind_that_nobody_knows_ends_no_broker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from odradek_broker.config import BrokerConfig

    path = written(tmp_path, authority().issue("broker"))
    tls = RenewedTls(server_context, BrokerConfig(ssl_keystore_location=path), "listener SSL")
    before = tls.context
    Path(path).write_text(UNKNOWN_CURVE + authority().issue("broker").certificate)
    tls.renew()
    assert tls.context is before
    assert "of a kind that cannot be used" in caplog.text


async def test_a_handshake_that_is_not_done_in_time_is_over(autojump_clock: trio.abc.Clock) -> None:
    with pytest.raises(HandshakeFailed, match="not done in time"), Handshakes().place():
        await trio.sleep_forever()


async def test_among_too_many_handshakes_the_slowest_makes_place(autojump_clock: trio.abc.Clock) -> None:
    all_of_them, ended = Handshakes(), []

    async def take(number: int) -> None:
        try:
            with all_of_them.place():
                await trio.sleep(5)
        except HandshakeFailed:
            ended.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(MOST_UNDER_WAY + 3):
            nursery.start_soon(take, number)
            await trio.testing.wait_all_tasks_blocked()
    assert ended == [0, 1, 2]


async def test_those_who_never_finish_a_handshake_keep_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshakes, "MOST_UNDER_WAY", 4)
    hello = ssl.MemoryBIO()
    half = client_side().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    first_bytes = hello.read(20)
    async with over_tls(tmp_path) as served:
        slow = [await served.connect() for _ in range(12)]
        for peer in slow:
            await peer.stream.send_all(first_bytes)
        assert [await peer.is_closed() for peer in slow[:8]] == [True] * 8
        assert await (await shaken(served, client_side())).is_answered()


async def test_steps_of_handshakes_take_turns_with_everybody_else() -> None:
    """A hundred that are ready together cost others one step in a round, not a hundred."""
    all_of_them, order = Handshakes(), []

    async def shake() -> None:
        await all_of_them.step(lambda: order.append("step"))

    async def serve() -> None:
        for _ in range(50):
            order.append("served")
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(shake)
        nursery.start_soon(serve)
    while_served = order[: len(order) - order[::-1].index("served")]
    assert while_served.count("step") >= 20
    assert all("served" in pair for pair in itertools.pairwise(while_served))


async def test_a_broker_that_we_connect_to_has_to_be_the_one_its_certificate_names(tmp_path: Path) -> None:
    class Ours:
        context = client_side()

    async with over_tls(tmp_path, listeners="SSL://127.0.0.1:0") as served:
        network = TcpNetwork()
        stream = await network.connect("localhost", served.port, Ours())
        stream.close()
        served_elsewhere = written(tmp_path, authority().issue("other", ["other.example.com"]))
        assert served_elsewhere
        served._server._entrances[0].tls.renew()
        with pytest.raises(HandshakeFailed, match="not believed: Hostname mismatch"):
            await network.connect("localhost", served.port, Ours())


async def test_a_described_password_has_no_value(tmp_path: Path) -> None:
    async with over_tls(tmp_path, ssl_keystore_password="open sesame") as served:
        peer = await shaken(served, client_side())
        asked = DescribeConfigsRequest([DescribeConfigsResource(4, "1")], include_synonyms=True)
        (answer,) = (await peer.ask(asked, DescribeConfigsResponse, 4)).results
        shown = {each.name: each for each in answer.configs}
        password = shown["ssl.keystore.password"]
        assert (password.value, password.is_sensitive) == (None, True)
        assert "sesame" not in repr(answer) and "hidden" not in repr(answer)
        assert (shown["ssl.client.auth"].value, shown["ssl.client.auth"].is_sensitive) == ("none", False)
