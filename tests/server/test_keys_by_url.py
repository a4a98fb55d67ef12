"""Keys of an identity provider that are fetched by https: what is believed of who answers, and how much of it."""

from __future__ import annotations

import http.server
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from odradek.protocol.errors import ErrorCode
from odradek.protocol.sasl.oauthbearer import OAuthBearerExchange
from odradek_broker.config.load import ConfigError, load_broker_config
from odradek_broker.security import key_refresh
from odradek_broker.server import key_url
from odradek_broker.server.key_file import LARGEST_BYTES
from odradek_broker.tls.authority import Authority
from tests.security.signed_tokens import CLAIMS, jwk_of_ec, jwk_of_rsa, jwks, rsa_key, text, token
from tests.server.served_broker import Served, serving
from tests.server.test_logins import log_in
from tests.tls.certified import HERE, authority, stranger, trusted, written


class Provider:
    """Answers one path, as a test says."""

    def __init__(self, port: int) -> None:
        self.url = f"https://localhost:{port}/keys"
        self.asked = 0
        self.status, self.body, self.location = 200, jwks(), ""
        self.answers = threading.Event()
        self.answers.set()


@contextmanager
def provider(directory: Path, by: Authority | None = None) -> Iterator[Provider]:
    import ssl

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked += 1
            made.answers.wait(20)
            body = made.body.encode()
            self.send_response(made.status)
            if made.location:
                self.send_header("Location", made.location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(written(directory, (by or authority()).issue("id", HERE), "id.pem"))

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self) -> tuple[ssl.SSLSocket, tuple[str, int]]:
            connection, address = super().get_request()
            return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        made = Provider(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield made
        finally:
            made.answers.set()
            server.shutdown()
            thread.join()


def settings(directory: Path, url: str, **changes: str) -> dict[str, str]:
    return {
        "listeners": "SASL_PLAINTEXT://127.0.0.1:0",
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        "sasl.oauthbearer.jwks.endpoint.url": url,
        "sasl.oauthbearer.allowed.urls": url,
        "sasl.oauthbearer.jwks.endpoint.ca.location": trusted(directory),
        "sasl.oauthbearer.expected.issuer": str(CLAIMS["iss"]),
        "sasl.oauthbearer.expected.audience": str(CLAIMS["aud"]),
        "connection.failed.authentication.delay.ms": "0",
    } | changes


def fresh(method: str = "RS256") -> OAuthBearerExchange:
    return OAuthBearerExchange(token(method, exp=int(time.time()) + 600))


async def until_believed(served: Served, method: str = "RS256") -> None:
    with trio.fail_after(20):
        while (await log_in(await served.connect(), fresh(method))).error_code:  # noqa: ASYNC110  by this it shows
            await trio.sleep(0.01)


async def test_a_token_is_believed_by_keys_that_were_fetched_and_by_new_ones_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_refresh, "BETWEEN_MS", 50)
    with provider(tmp_path) as there:
        there.body = jwks(jwk_of_rsa(rsa_key()))
        async with serving(tmp_path / "data", **settings(tmp_path, there.url)) as served:
            await until_believed(served)
            assert there.asked == 1
            assert (await log_in(await served.connect(), fresh("RS256"))).error_code == ErrorCode.NONE
            assert there.asked == 1
            there.body = jwks(jwk_of_ec())
            await until_believed(served, "ES256")
            assert there.asked >= 2


async def test_who_comes_while_the_keys_are_fetched_for_the_first_time_is_not_refused(tmp_path: Path) -> None:
    with provider(tmp_path) as there:
        there.body = jwks(jwk_of_rsa(rsa_key()))
        there.answers.clear()
        async with serving(tmp_path / "data", **settings(tmp_path, there.url)) as served:
            errors = []

            async def come() -> None:
                errors.append((await log_in(await served.connect(), fresh())).error_code)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(come)
                with trio.fail_after(20):
                    while not there.asked or not served.connection_count:  # noqa: ASYNC110  of that nobody tells
                        await trio.sleep(0.01)
                await trio.testing.wait_all_tasks_blocked(0.05)
                there.answers.set()
            assert errors == [ErrorCode.NONE]


@pytest.mark.parametrize("what", ["stranger", "redirect", "large", "late", "nonsense", "error"])
async def test_whoever_is_not_to_be_believed_gives_no_keys_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    caplog.set_level(logging.ERROR)
    with provider(tmp_path, stranger() if what == "stranger" else None) as there:
        if what == "redirect":
            there.status, there.location = 302, (tmp_path / "keys.json").as_uri()
        elif what == "large":
            there.body = " " * (LARGEST_BYTES + 1)
        elif what == "late":
            monkeypatch.setattr(key_url, "ATTEMPT_SECONDS", 0.05)
            there.answers.clear()
        elif what == "nonsense":
            there.body = "[]"
        elif what == "error":
            there.status = 500
        backoff = {f"sasl.oauthbearer.jwks.endpoint.retry.backoff{each}.ms": "1" for each in ("", ".max")}
        async with serving(tmp_path / "data", **settings(tmp_path, there.url, **backoff)) as served:
            with trio.fail_after(20):
                while not caplog.messages or (there.asked < 3 and what not in ("stranger", "late")):  # noqa: ASYNC110
                    await trio.sleep(0.01)
            assert (await log_in(await served.connect(), fresh())).error_code
    (said,) = caplog.messages
    assert said.startswith(f"{there.url}: the keys from before are kept: ")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sasl.oauthbearer.allowed.urls": ""}, "is not among sasl.oauthbearer.allowed.urls"),
        ({"sasl.oauthbearer.allowed.urls": "https://id.example.com/"}, "is not among sasl.oauthbearer.allowed.urls"),
        ({"sasl.oauthbearer.jwks.endpoint.url": "http://id.example.com/keys"}, "fetched by https"),
        ({"sasl.oauthbearer.jwks.endpoint.url": "file://elsewhere/etc/passwd"}, "must be a file"),
        ({"sasl.oauthbearer.jwks.endpoint.ca.location": "/nowhere.pem"}, "No such file"),
    ],
)
def test_cve_2025_27817_keys_come_from_nowhere_but_a_url_that_is_allowed(
    tmp_path: Path, changes: dict[str, str], why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        load_broker_config(overrides=settings(tmp_path, "https://id.example.com/keys", **changes))


def unsigned(**claims: Any) -> OAuthBearerExchange:
    parts = token(header={"alg": "none"}, **claims).split(".")
    return OAuthBearerExchange(f"{parts[0]}.{parts[1]}.")


async def test_unsigned_tokens_are_believed_only_where_a_setting_says_so_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ends = int(time.time()) + 600
    open_to_all = {
        "listeners": "SASL_PLAINTEXT://127.0.0.1:0",
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        "connection.failed.authentication.delay.ms": "0",
        "sasl.oauthbearer.unsecured.tokens": "true",
    }
    async with serving(tmp_path / "open", **open_to_all) as served:
        assert not (await log_in(await served.connect(), unsigned(exp=ends, iss=None, aud=None))).error_code
        assert (await log_in(await served.connect(), unsigned(exp=ends - 1_000))).error_code
        assert (await log_in(await served.connect(), fresh())).error_code
    assert "believes tokens that nobody has signed" in caplog.text
    caplog.clear()
    file = tmp_path / "keys.json"
    file.write_text(jwks())
    async with serving(tmp_path / "shut", **settings(tmp_path, file.as_uri())) as served:
        assert (await log_in(await served.connect(), unsigned(exp=ends))).error_code
        assert not (await log_in(await served.connect(), fresh())).error_code
    assert "nobody has signed" not in caplog.text
    mixed = settings(tmp_path, file.as_uri()) | {"sasl.oauthbearer.unsecured.tokens": "true"}
    async with serving(tmp_path / "mixed", **mixed) as served:
        assert not (await log_in(await served.connect(), unsigned(exp=ends))).error_code
        assert (await log_in(await served.connect(), unsigned(exp=ends, aud="payments"))).error_code
        forged = fresh()
        forged._token = forged._token.rpartition(".")[0] + "." + text(b"x" * 256)
        assert (await log_in(await served.connect(), forged)).error_code


def test_without_keys_and_without_that_setting_no_broker_starts() -> None:
    with pytest.raises(ConfigError, match="OAUTHBEARER needs"):
        load_broker_config(
            overrides={"listeners": "SASL_PLAINTEXT://127.0.0.1:0", "sasl.enabled.mechanisms": "OAUTHBEARER"}
        )
