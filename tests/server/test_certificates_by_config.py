"""A listener of one broker is told, while it runs, where its certificate is now, by any admin client."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from certified import HERE, authority, client_side, trusted, written
from served_broker import Peer, Served, serving

from odradek.protocol.errors import ErrorCode
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

BROKER, SET, DELETE, DYNAMIC_BROKER = 4, 0, 1, 2
LOCATION = "listener.name.ssl.ssl.keystore.location"


async def come(served: Served) -> tuple[Peer, str]:
    """And whose certificate the broker shows."""
    stream = trio.SSLStream((await served.connect()).stream, client_side(), server_hostname="localhost")
    await stream.do_handshake()
    return Peer(stream), stream.getpeercert()["subject"][0][0][1]  # type: ignore[arg-type, attr-defined]


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


@pytest.mark.slow
async def test_what_cannot_be_used_is_said_and_the_old_one_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path / "data", **settings(tmp_path)) as served:
        peer, _ = await come(served)
        assert await alter(peer, LOCATION, "/nowhere") is ErrorCode.NONE
        with trio.fail_after(20):
            while "keeps its certificates" not in caplog.text:
                await trio.testing.wait_all_tasks_blocked(0.05)
        assert "ssl.keystore.location=/nowhere: No such file or directory" in caplog.text
        assert (await come(served))[1] == "first"


async def test_what_may_not_change_so_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", **settings(tmp_path)) as served:
        peer, _ = await come(served)
        before = served.broker.image
        for name, value, broker, error in (
            (LOCATION, "/x", "", ErrorCode.INVALID_REQUEST),
            ("listener.name.other.ssl.keystore.location", "/x", "1", ErrorCode.INVALID_CONFIG),
            ("listener.name.ssl.ssl.keystore.password", "hush", "1", ErrorCode.INVALID_REQUEST),
            ("listener.name.ssl.ssl.client.auth", "none", "1", ErrorCode.INVALID_REQUEST),
            ("listener.name.ssl.ssl.keystore.type", "ZIP", "1", ErrorCode.INVALID_REQUEST),
            ("ssl.keystore.location", "/x", "1", ErrorCode.INVALID_REQUEST),
        ):
            assert await alter(peer, name, value, broker) is error, name
        assert served.broker.image is before
