"""etcd over TLS and with a login: whom we believe, as whom we come, and what is said where that does not do."""

from __future__ import annotations

import contextlib
import json
import shutil
import ssl
import threading
import urllib.request
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.x509.oid import NameOID

from odradek import Security
from odradek.testing.etcd_node import EtcdNode
from odradek.testing.ports import free_ports
from odradek_broker.config import BrokerConfig, load_broker_config
from odradek_broker.config.load import ConfigError
from odradek_broker.election import gateway
from odradek_broker.election.etcd import Created, Etcd, EtcdUnavailable
from odradek_broker.election.gateway import HttpGateway
from odradek_broker.tls.check import check_tls
from tests.tls.certified import HERE, authority, stranger, trusted, written

PASSWORD = "between us"
NAME = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Odradek")])
"""Where one has to log in, etcd's gateway refuses certificates that have a common name."""
needs_etcd = pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")


def security(directory: Path) -> Security:
    return Security(
        security_protocol="SSL",
        ssl_ca_file=trusted(directory),
        ssl_cert_file=written(directory, authority().issue("etcd", HERE), "etcd.pem"),
    )


def asked(endpoint: str, path: str, body: dict[str, str], security: Security) -> None:
    request = urllib.request.Request(f"{endpoint}/v3/{path}", json.dumps(body).encode())
    urllib.request.urlopen(request, context=security.tls(), timeout=20).close()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[EtcdNode]:
    """It asks for a certificate, and for a login as root."""
    port, peer_port = free_ports(2)
    node = EtcdNode(tmp_path / "etcd", port, peer_port, security=security(tmp_path))
    await node.start()
    for path, body in (
        ("auth/user/add", {"name": "root", "password": PASSWORD}),
        ("auth/role/add", {"name": "root"}),
        ("auth/user/grant", {"user": "root", "role": "root"}),
        ("auth/enable", {}),
    ):
        await trio.to_thread.run_sync(asked, node.endpoint, path, body, security(tmp_path))
    yield node
    node.kill()


def settings(directory: Path, endpoint: str = "https://127.0.0.1:1", **more: str) -> dict[str, str]:
    given = {
        "controller.journal": "etcd",
        "controller.quorum.bootstrap.servers": "127.0.0.1:1",
        "etcd.endpoints": endpoint,
        "etcd.username": "root",
        "etcd.password": PASSWORD,
        "etcd.ssl.keystore.location": written(directory, authority().issue(NAME), "broker.pem"),
        "etcd.ssl.truststore.location": trusted(directory),
        **{name.replace("_", "."): value for name, value in more.items()},
    }
    return {name: value for name, value in given.items() if value}


def config(directory: Path, endpoint: str, **more: str) -> BrokerConfig:
    return load_broker_config(None, {}, settings(directory, endpoint, **more), check_tls).config


def writes(directory: Path, endpoint: str, **more: str) -> None:
    """Raises EtcdUnavailable."""
    opened = HttpGateway(config(directory, endpoint, **more))
    try:
        etcd = Etcd([endpoint], opened, timeout_s=20)
        etcd.commit([Created(b"k", 0)], [(b"k", b"v")])
        found = etcd.get(b"k")
        assert found is not None and found.value == b"v"
    finally:
        opened.close()


@needs_etcd
@pytest.mark.slow
async def test_who_shows_a_certificate_and_logs_in_is_served_and_nobody_else(node: EtcdNode, tmp_path: Path) -> None:
    for wrong, said in (
        ({"etcd_username": "", "etcd_password": ""}, "user name is empty"),
        ({"etcd_password": "guessed"}, "does not let root in: 400"),
        ({"etcd_ssl_keystore_location": ""}, "certificate required|bad certificate"),
        ({"etcd_ssl_truststore_location": str(tmp_path / "nobodys.pem")}, "CERTIFICATE_VERIFY_FAILED"),
    ):
        (tmp_path / "nobodys.pem").write_text(stranger().issued.certificate)
        with pytest.raises(EtcdUnavailable, match=said) as caught:
            writes(tmp_path, node.endpoint, **wrong)
        assert "guessed" not in str(caught.value) and PASSWORD not in str(caught.value)
    writes(tmp_path, node.endpoint)


@needs_etcd
@pytest.mark.slow
async def test_a_login_that_etcd_has_forgotten_is_done_anew_and_a_certificate_is_renewed(
    node: EtcdNode, tmp_path: Path
) -> None:
    opened = HttpGateway(config(tmp_path, node.endpoint))
    etcd = Etcd([node.endpoint], opened, timeout_s=20)
    assert etcd.commit([Created(b"k", 0)], [(b"k", b"v")])
    opened._token = "forgotten.1"
    assert etcd.get(b"k") is not None
    before = opened._client
    broken = tmp_path / "broker.pem"
    broken.write_text("half of a certificate")
    assert etcd.get(b"k") is not None and opened._client is before
    written(tmp_path, authority().issue(NAME), "broker.pem")
    assert etcd.get(b"k") is not None and opened._client is not before
    opened.close()


def test_a_file_system_that_does_not_answer_keeps_one_thread_and_the_old_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = HttpGateway(config(tmp_path, "https://127.0.0.1:2379"))
    before, answers, looks = opened._client, threading.Event(), []

    def never_answers() -> None:
        looks.append(threading.get_ident())
        answers.wait()

    assert opened._tls is not None
    monkeypatch.setattr(opened._tls, "renew", never_answers)
    monkeypatch.setattr(gateway, "RENEWAL_SECONDS", 0.01)
    assert [opened._renewed() for _ in range(3)] == [before] * 3
    answers.set()
    assert len(looks) == 1 and looks[0] != threading.get_ident()
    opened.close()


@needs_etcd
@pytest.mark.slow
async def test_an_etcd_whose_certificate_is_another_hosts_is_given_no_password(tmp_path: Path) -> None:
    """Whatever brokers do among themselves."""
    elsewhere = authority().issue("etcd", ["elsewhere.example.com"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(written(tmp_path, elsewhere, "elsewhere.pem"))
    heard: list[bytes] = []

    async def listen(stream: trio.SocketStream) -> None:
        tls = trio.SSLStream(stream, server, server_side=True)
        with contextlib.suppress(trio.BrokenResourceError):
            heard.append(bytes(await tls.receive_some()))

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, listen, 0, host="127.0.0.1"))
        endpoint = f"https://127.0.0.1:{listener.socket.getsockname()[1]}"
        unchecked = partial(writes, tmp_path, endpoint, ssl_endpoint_identification_algorithm="")
        with pytest.raises(EtcdUnavailable, match="mismatch"):
            await trio.to_thread.run_sync(unchecked)
        nursery.cancel_scope.cancel()
    assert heard == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"etcd_endpoints": "http://10.0.0.1:2379"},
            "etcd.endpoints: http://10.0.0.1:2379 would be sent etcd.password",
        ),
        ({"etcd_endpoints": "10.0.0.1:2379"}, "must look like http://host:2379"),
        ({"etcd_endpoints": "https://root:x@host:2379"}, "must not have a user in it"),
        ({"etcd_password": ""}, "etcd.username and etcd.password must both be set, or neither"),
        ({"etcd_ssl_keystore_location": "/nowhere"}, "etcd.ssl.keystore.location=/nowhere: No such file or directory"),
        ({"etcd_ssl_truststore_location": "/no"}, "etcd.ssl.truststore.location=/no: No such file or directory"),
    ],
)
def test_what_is_wrong_with_the_way_to_etcd_is_one_line_at_the_start(
    tmp_path: Path, more: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_broker_config(None, {}, settings(tmp_path, **more), check_tls)
    (line,) = caught.value.mistakes
    assert said in line and PASSWORD not in line


def test_on_this_machine_a_password_may_go_without_tls(tmp_path: Path) -> None:
    assert not config(tmp_path, "http://127.0.0.1:2379").is_etcd_over_tls
