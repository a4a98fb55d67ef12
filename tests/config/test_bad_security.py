"""What is wrong with TLS and logins is told at the start: a line for each mistake, all at once, and nothing secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from odradek_broker.config.load import ConfigError, load_broker_config
from odradek_broker.tls.check import check_tls
from tests.tls.certified import HERE, authority, trusted, written

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
NOW = datetime.now(UTC)


def mistakes(**settings: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_broker_config(None, {}, settings, check_tls)
    assert "hush" not in str(caught.value) and "PRIVATE KEY" not in str(caught.value)
    return sorted(caught.value.mistakes)


def stores(directory: Path) -> dict[str, str]:
    """Of five listeners, each wrong in its own way."""
    one, other = authority().issue("one", HERE), authority().issue("other", HERE)
    (directory / "mixed.pem").write_text(one.key.text + other.certificate)
    expired = authority().issue("late", HERE, days=1, since=NOW - timedelta(days=3))
    return {
        "listeners": ",".join(f"{name}://127.0.0.1:{port}" for port, name in enumerate("ABCDE", 1)),
        "listener.security.protocol.map": "A:SSL,B:SSL,C:SSL,D:SSL",
        "listener.name.a.ssl.keystore.location": "/nowhere",
        "listener.name.b.ssl.keystore.location": str(directory / "mixed.pem"),
        "listener.name.c.ssl.keystore.location": written(directory, expired, "late.pem"),
        "listener.name.d.ssl.keystore.key": one.key.text.replace("MIG", "hush"),
        "listener.name.d.ssl.keystore.certificate.chain": one.certificate,
    }


def test_each_is_a_line_that_names_the_listener_and_the_setting(tmp_path: Path) -> None:
    a, b, c, d, e = mistakes(**stores(tmp_path))
    assert a == "listeners: A: ssl.keystore.location=/nowhere: No such file or directory"
    assert b.startswith("listeners: B: ssl.keystore.location=") and b.endswith(
        "does not belong to the first certificate"
    )
    assert c.startswith("listeners: C: ssl.keystore.location=") and "CN=late expired on" in c
    assert d == "listeners: D: ssl.keystore.key: the private key cannot be read"
    assert e == "listeners: E://127.0.0.1:5 has no protocol; see listener.security.protocol.map"


def test_they_are_told_together_with_what_is_wrong_with_a_setting_by_itself(tmp_path: Path) -> None:
    wrong = {"sasl.enabled.mechanisms": "GSSAPI", "ssl.client.auth": "perhaps", "bootstrap.scram.users": "hush"}
    said = mistakes(**stores(tmp_path), **wrong)
    assert len(said) == 5 + 3
    assert {line.split(" ")[0] for line in said} == {*wrong, "listeners:"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "bootstrap.scram.users": "SCRAM-SHA-256=[name=a,password=hush]",
            },
            "bootstrap.scram.users: a cannot log in: no listener has SCRAM-SHA-256 in sasl.enabled.mechanisms",
        ),
        (
            {"sasl.enabled.mechanisms": "PLAIN", "sasl.jaas.config": f"{PLAIN} required username=hush;"},
            "nobody can log in by PLAIN",
        ),
    ],
)
def test_a_user_who_could_not_log_in_is_a_mistake(settings: dict[str, str], said: str) -> None:
    (line,) = mistakes(listeners="SASL_PLAINTEXT://127.0.0.1:1", **settings)
    assert said in line


def test_a_user_with_one_mechanism_that_is_offered_may_have_another_that_is_not(tmp_path: Path) -> None:
    users = "SCRAM-SHA-256=[name=a,password=hush] SCRAM-SHA-512=[name=a,password=hush]"
    given = {"listeners": "SASL_PLAINTEXT://127.0.0.1:1", "sasl.enabled.mechanisms": "SCRAM-SHA-512"}
    load_broker_config(None, {}, {**given, "bootstrap.scram.users": users})
    load_broker_config(None, {}, {"bootstrap.scram.users": users, "ssl.truststore.location": trusted(tmp_path)})


def test_that_all_listeners_are_the_controllers_is_told_beside_what_is_wrong_with_certificates_for_etcd() -> None:
    settings = {
        "process.roles": "controller",
        "listeners": "CONTROLLER://127.0.0.1:0",
        "controller.listener.names": "CONTROLLER",
        "controller.journal": "etcd",
        "controller.quorum.bootstrap.servers": "127.0.0.1:1",
        "etcd.endpoints": "https://127.0.0.1:2379",
        "etcd.ssl.truststore.location": "/nowhere",
    }
    assert mistakes(**settings) == [
        "etcd.ssl.truststore.location=/nowhere: No such file or directory",
        "listeners must name at least one address that clients can use",
    ]
