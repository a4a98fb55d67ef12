"""Users and passwords in settings: what is read, and that no mistake tells them."""

from __future__ import annotations

import pytest

from odradek_broker.config.load import ConfigError, load_broker_config
from odradek_broker.security.first_users import FirstUser, parse_first_users
from odradek_broker.security.jaas import parse_jaas

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


def test_a_line_of_jaas_is_read_as_kafka_reads_it() -> None:
    line = parse_jaas(
        f'{PLAIN} required\n  username="broker"  password="a \\"b\\" c;" user_alice="x=y"\tuser_bob=plain k=v;'
    )
    assert line.module == PLAIN
    assert line.options["username"] == "broker" and line.options["password"] == 'a "b" c;'
    assert line.users == {"alice": "x=y", "bob": "plain"}
    assert "x=y" not in repr(line)


@pytest.mark.parametrize(
    "text",
    [
        "",
        PLAIN,
        f"{PLAIN} needed a=hush;",
        f"{PLAIN} required a=hush",
        f'{PLAIN} required a="hush;',
        f"{PLAIN} required hush;",
    ],
)
def test_what_is_no_line_of_jaas_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        parse_jaas(text)
    assert "hush" not in str(caught.value)


def test_first_users_are_written_as_kafka_storage_takes_them() -> None:
    found = parse_first_users(
        'SCRAM-SHA-256=[name=alice,password=a=b] SCRAM-SHA-512=[name="bob c",password="x,y",iterations=8192]'
    )
    assert found.users == (
        FirstUser("alice", "SCRAM-SHA-256", "a=b"),
        FirstUser("bob c", "SCRAM-SHA-512", "x,y", 8192),
    )
    assert "x,y" not in f"{found!r}{found}"


@pytest.mark.parametrize(
    "text",
    [
        "hush",
        "PLAIN=[name=a,password=hush]",
        "SCRAM-SHA-256=[name=a]",
        "SCRAM-SHA-256=[password=hush]",
        "SCRAM-SHA-256=[name=a,password=hush,color=red]",
        "SCRAM-SHA-256=[name=a,password=hush,iterations=many]",
    ],
)
def test_first_users_that_are_none_are_refused_without_their_passwords(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|names|invalid literal") as caught:
        parse_first_users(text)
    assert "hush" not in str(caught.value)


def mistakes(**settings: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_broker_config(None, {}, {"listeners": "SASL_PLAINTEXT://127.0.0.1:0", **settings})
    assert "hush" not in str(caught.value)
    return caught.value.mistakes


def test_what_is_wrong_with_logins_is_told_at_the_start_without_secrets() -> None:
    jaas = "listener.name.sasl_plaintext.plain.sasl.jaas.config"
    plain = {"sasl.enabled.mechanisms": "PLAIN"}
    assert mistakes(**plain) == [
        f'listeners: SASL_PLAINTEXT: nobody can log in by PLAIN: {jaas} names no user (user_NAME="password")'
    ]
    assert mistakes(**plain, **{jaas: f"{PLAIN} required user_a=hush"}) == [
        "listeners: SASL_PLAINTEXT: sasl.jaas.config for PLAIN must be NAME=VALUE pairs and a semicolon at the end; "
        "it is not behind option 1"
    ]
    assert mistakes(**{"sasl.enabled.mechanisms": ""}) == [
        "listeners: SASL_PLAINTEXT: sasl.enabled.mechanisms is empty: nobody could log in"
    ]
    assert "may only name" in mistakes(**{"sasl.enabled.mechanisms": "GSSAPI"})[0]
    assert "[hidden]" in mistakes(**{"bootstrap.scram.users": "hush"})[0]


def test_a_broker_that_cannot_log_in_with_the_others_is_told_so_at_the_start() -> None:
    apart = {"process.roles": "broker", "controller.quorum.bootstrap.servers": "h:1"}
    (line,) = mistakes(**apart)
    assert "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config lacks username and password" in line
    lines = mistakes(**apart, **{"sasl.mechanism.inter.broker.protocol": "PLAIN"})
    assert lines == [
        "listeners: SASL_PLAINTEXT: sasl.mechanism.inter.broker.protocol is PLAIN, "
        "which is not in sasl.enabled.mechanisms"
    ]
