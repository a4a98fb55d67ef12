"""A listener of one broker is told, while it runs, where its certificate is now, by any admin client."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_configs import AlterableConfig as WholeConfig
from odradek.protocol.messages.alter_configs import AlterConfigsRequest as WholeRequest
from odradek.protocol.messages.alter_configs import AlterConfigsResource as WholeResource
from odradek.protocol.messages.alter_configs import AlterConfigsResponse as WholeResponse
from odradek.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek_broker.controller.snapshot import records_of
from odradek_broker.tls.authority import Issued
from odradek_cli.metadata_text import fields_of, rows_of
from tests.server.served_broker import Peer, Served, serving
from tests.tls.certified import HERE, authority, client_side, trusted, written

BROKER, SET, DELETE, DYNAMIC_BROKER = 4, 0, 1, 2
AT_LISTENER = "listener.name.ssl."
LOCATION = f"{AT_LISTENER}ssl.keystore.location"
NOW = datetime.now(UTC)


async def come(served: Served, us: Issued | None = None, directory: Path | None = None) -> tuple[Peer, str]:
    """And whose certificate the broker shows. `us`: what we show it."""
    stream = trio.SSLStream((await served.connect()).stream, client_side(us, directory), server_hostname="localhost")
    await stream.do_handshake()
    return Peer(cast("Any", stream)), stream.getpeercert()["subject"][0][0][1]


async def alter(peer: Peer, name: str, value: str | None, broker: str = "1", operation: int = SET) -> ErrorCode:
    change = AlterConfigsResource(BROKER, broker, [AlterableConfig(name, operation, value)])
    done = await peer.ask(IncrementalAlterConfigsRequest([change]), IncrementalAlterConfigsResponse, 1)
    return ErrorCode.from_code(done.responses[0].error_code)


def settings(directory: Path) -> dict[str, str]:
    return {
        "listeners": "SSL://127.0.0.1:0",
        "ssl.keystore.location": written(directory, authority().issue("first", HERE)),
        "ssl.truststore.location": trusted(directory),
    }


async def shown(served: Served, name: str) -> None:
    with trio.fail_after(20):
        while (await come(served))[1] != name:
            await trio.testing.wait_all_tasks_blocked(0.05)


@pytest.mark.slow
async def test_a_listener_shows_the_certificate_that_it_is_told_of_and_returns_to_the_first(tmp_path: Path) -> None:
    second = written(tmp_path, authority().issue("second", HERE), "second.pem")
    async with serving(tmp_path / "data", **settings(tmp_path)) as served:
        peer, name = await come(served)
        assert name == "first"
        assert await alter(peer, LOCATION, second) is ErrorCode.NONE
        await shown(served, "second")
        wanted = DescribeConfigsRequest([DescribeConfigsResource(BROKER, "1", [LOCATION])])
        (told,) = (await peer.ask(wanted, DescribeConfigsResponse, 4)).results[0].configs
        assert (told.value, told.config_source) == (second, DYNAMIC_BROKER)
        assert await alter(peer, LOCATION, None, operation=DELETE) is ErrorCode.NONE
        await shown(served, "first")


async def refused(peer: Peer, **changes: str) -> str:
    """Why; `changes` by the end of their names, with underscores for dots."""
    named = [AlterableConfig(f"{AT_LISTENER}{key.replace('_', '.')}", SET, value) for key, value in changes.items()]
    request = IncrementalAlterConfigsRequest([AlterConfigsResource(BROKER, "1", named)])
    (answer,) = (await peer.ask(request, IncrementalAlterConfigsResponse, 1)).responses
    assert answer.error_code == ErrorCode.INVALID_REQUEST, answer
    return answer.error_message or ""


async def test_what_cannot_be_used_is_refused_and_the_old_one_goes_on(tmp_path: Path) -> None:
    """Be it a file, or what is given with the change itself; alone, or with a key that does not belong to it."""
    one, late = authority().issue("one", HERE), authority().issue("late", HERE, days=1, since=NOW - timedelta(days=3))
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nothing")
    async with serving(tmp_path / "data", **settings(tmp_path)) as served:
        peer, _ = await come(served)
        before = served.broker.image
        assert "No such file" in await refused(peer, ssl_keystore_location="/nowhere")
        assert "nonsense.pem" in await refused(peer, ssl_keystore_location=str(nonsense))
        assert "expired" in await refused(peer, ssl_keystore_location=written(tmp_path, late, "late.pem"))
        assert "not of type PKCS12" in await refused(peer, ssl_keystore_type="PKCS12")
        inline = {"ssl_keystore_location": "", "ssl_keystore_certificate_chain": one.certificate}
        assert "both be set" in await refused(peer, **inline)
        mixed = await refused(peer, **inline, ssl_keystore_key=authority().issue("other", HERE).key.text)
        assert "does not belong" in mixed
        assert "has no private key" in await refused(peer, **inline, ssl_keystore_key="hush")
        whole = WholeRequest([WholeResource(BROKER, "1", [WholeConfig(LOCATION, "/nowhere")])])
        (answer,) = (await peer.ask(whole, WholeResponse, 2)).responses
        assert answer.error_code == ErrorCode.INVALID_REQUEST and "No such file" in (answer.error_message or "")
        assert served.broker.image is before
        assert (await come(served))[1] == "first"


async def test_another_brokers_files_are_not_looked_for_here(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", **settings(tmp_path)) as served:
        peer, _ = await come(served)
        change = AlterConfigsResource(BROKER, "7", [AlterableConfig(LOCATION, SET, "/x")])
        (answer,) = (
            await peer.ask(IncrementalAlterConfigsRequest([change]), IncrementalAlterConfigsResponse, 1)
        ).responses
        assert answer.error_code == ErrorCode.INVALID_REQUEST
        assert "is to be asked of broker 7 itself" in (answer.error_message or "")


def only_by_certificate(directory: Path) -> dict[str, str]:
    """So that what is secret may stand in the metadata."""
    return settings(directory) | {"ssl.client.auth": "required"}


@pytest.mark.slow
async def test_a_key_itself_is_shown_from_then_on_and_told_to_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    us = authority().issue("us", HERE)
    second = authority().issue("second", HERE)
    body = second.key.text.splitlines()[1]
    async with serving(tmp_path / "data", **only_by_certificate(tmp_path)) as served:
        peer, _ = await come(served, us, tmp_path)
        inline = {
            "location": "",
            "key": second.key.text,
            "certificate.chain": second.certificate,
        }
        change = [AlterableConfig(f"{AT_LISTENER}ssl.keystore.{key}", SET, text) for key, text in inline.items()]
        request = IncrementalAlterConfigsRequest([AlterConfigsResource(BROKER, "1", change)])
        (answer,) = (await peer.ask(request, IncrementalAlterConfigsResponse, 1)).responses
        assert answer.error_code == ErrorCode.NONE, answer
        with trio.fail_after(20):
            while (await come(served, us, tmp_path))[1] != "second":
                await trio.testing.wait_all_tasks_blocked(0.05)
        wanted = DescribeConfigsRequest([DescribeConfigsResource(BROKER, "1")], include_synonyms=True)
        told = await peer.ask(wanted, DescribeConfigsResponse, 4)
        described = {each.name: each for each in told.results[0].configs}
        for key in ("key", "certificate.chain"):
            entry = described[f"{AT_LISTENER}ssl.keystore.{key}"]
            assert (entry.value, entry.is_sensitive, entry.config_source) == (None, True, DYNAMIC_BROKER)
        dumped = str([*rows_of(served.broker.image), *map(fields_of, records_of(served.broker.image))])
        assert AT_LISTENER in dumped
        for said in (caplog.text, repr(told), dumped, repr(served.broker.config)):
            assert body not in said
    async with serving(tmp_path / "data", **only_by_certificate(tmp_path)) as served:
        with trio.fail_after(20):
            while (await come(served, us, tmp_path))[1] != "second":
                await trio.testing.wait_all_tasks_blocked(0.05)


async def test_what_may_not_change_so_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", **settings(tmp_path)) as served:
        peer, _ = await come(served)
        before = served.broker.image
        for name, value, broker, error in (
            (LOCATION, "/x", "", ErrorCode.INVALID_REQUEST),
            ("listener.name.other.ssl.keystore.location", "/x", "1", ErrorCode.INVALID_CONFIG),
            ("listener.name.ssl.ssl.keystore.password", "hush", "1", ErrorCode.INVALID_REQUEST),
            ("listener.name.ssl.ssl.keystore.key", "hush", "1", ErrorCode.INVALID_REQUEST),
            ("listener.name.ssl.ssl.client.auth", "none", "1", ErrorCode.INVALID_REQUEST),
            ("listener.name.ssl.ssl.keystore.type", "ZIP", "1", ErrorCode.INVALID_REQUEST),
            ("ssl.keystore.location", "/x", "1", ErrorCode.INVALID_REQUEST),
        ):
            assert await alter(peer, name, value, broker) is error, name
        assert served.broker.image is before
