"""Who is taken for a broker, by settings alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from odradek_broker.config import load_broker_config
from odradek_broker.node.known_brokers import known_brokers
from odradek_broker.security.known_brokers import KnownBrokers
from odradek_broker.security.principal import ANONYMOUS, Principal
from tests.tls.certified import HERE, authority, written

BROKER, ALICE, ADMIN = (Principal("User", name) for name in ("broker", "alice", "admin"))
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
ACCOUNT = f'{SCRAM} required username="broker" password="p";'


def of(**settings: str) -> KnownBrokers:
    dotted = {name.replace("_", "."): value for name, value in settings.items()}
    return known_brokers(load_broker_config(None, {}, dotted).config)


def test_where_nobody_is_asked_whoever_comes_by_the_listener_between_brokers_is_one() -> None:
    known = of(
        listeners="A://127.0.0.1:1,B://127.0.0.1:2",
        listener_security_protocol_map="A:PLAINTEXT,B:PLAINTEXT",
        inter_broker_listener_name="B",
    )
    assert known.knows(ANONYMOUS, "B")
    assert not known.knows(ANONYMOUS, "A")


def logged_in(**more: str) -> KnownBrokers:
    key = "listener.name.inside.scram-sha-512.sasl.jaas.config"
    return of(
        **{
            "listeners": "OUTSIDE://127.0.0.1:1,INSIDE://127.0.0.1:2",
            "listener.security.protocol.map": "OUTSIDE:PLAINTEXT,INSIDE:SASL_PLAINTEXT",
            "inter.broker.listener.name": "INSIDE",
            key: ACCOUNT,
        }
        | more
    )


@pytest.mark.parametrize("listener", ["INSIDE", "OUTSIDE"])
def test_where_one_logs_in_who_is_what_this_node_is_or_a_super_user_is_one_by_every_listener(listener: str) -> None:
    known = logged_in(super_users="User:admin")
    assert known.knows(BROKER, listener) and known.knows(ADMIN, listener)
    assert not known.knows(ALICE, listener) and not known.knows(ANONYMOUS, listener)
    assert not logged_in().knows(ADMIN, listener)


def test_a_node_knows_those_who_log_in_already_while_it_does_not_ask_for_it_between_brokers_yet() -> None:
    known = logged_in(**{"inter.broker.listener.name": "OUTSIDE"})
    assert known.knows(BROKER, "INSIDE") and known.knows(ANONYMOUS, "OUTSIDE")
    assert not known.knows(ALICE, "INSIDE")


def test_while_the_others_do_not_log_in_yet_super_users_can_say_that_they_are_brokers() -> None:
    assert logged_in(super_users="User:ANONYMOUS").knows(ANONYMOUS, "OUTSIDE")


def test_where_certificates_are_asked_for_who_shows_the_name_of_this_node_is_one(tmp_path: Path) -> None:
    store = written(tmp_path, authority().issue("broker", HERE))
    rules = "RULE:^CN=([a-z]+).*$/$1/"
    known = of(
        **{
            "listeners": "SSL://127.0.0.1:1",
            "ssl.keystore.location": store,
            "ssl.client.auth": "required",
            "ssl.principal.mapping.rules": rules,
        }
    )
    assert known.knows(BROKER, "SSL")
    assert not known.knows(ALICE, "SSL") and not known.knows(ANONYMOUS, "SSL")


def test_where_no_certificate_is_asked_for_tls_alone_says_nothing_of_who_comes(tmp_path: Path) -> None:
    store = written(tmp_path, authority().issue("broker", HERE))
    known = of(**{"listeners": "SSL://127.0.0.1:1", "ssl.keystore.location": store})
    assert known.knows(ANONYMOUS, "SSL")
