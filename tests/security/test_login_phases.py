"""The login of one connection as a list of calls: what may be asked, when, and for how long."""

from __future__ import annotations

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.primitives import ProtocolError
from odradek_broker.security.login import Login, Phase
from odradek_broker.security.plain import PlainServer
from odradek_broker.security.principal import Principal
from odradek_broker.security.refused import LoginRefused

METADATA, HANDSHAKE, VERSIONS, AUTHENTICATE = 3, 17, 18, 36
ALICE = b"\0alice\0secret"


class Expiring(PlainServer):
    expires_ms = 5_000


def login(session_ms: int = 0) -> Login:
    users = {"alice": "secret", "bob": "other"}
    mechanisms = {"PLAIN": lambda: PlainServer(users), "OTHER": lambda: Expiring(users)}
    return Login(mechanisms, dict.fromkeys(mechanisms, session_ms))


def logged_in(session_ms: int = 0, mechanism: str = "PLAIN", now_ms: int = 0) -> Login:
    made = login(session_ms)
    assert made.handshake(mechanism, 1, now_ms) is ErrorCode.NONE
    made.authenticate(ALICE, now_ms, 0)
    return made


def may_ask(made: Login, now_ms: int = 0) -> set[int]:
    allowed = set()
    for api_key in (METADATA, HANDSHAKE, VERSIONS, AUTHENTICATE):
        try:
            made.admit(api_key, now_ms)
        except ProtocolError:
            continue
        allowed.add(api_key)
    return allowed


def test_who_has_not_logged_in_may_ask_for_versions_and_for_the_login_only() -> None:
    made = login()
    assert may_ask(made) == {HANDSHAKE, VERSIONS}
    assert made.handshake("PLAIN", 1, 0) is ErrorCode.NONE
    assert may_ask(made) == {AUTHENTICATE}
    made.authenticate(ALICE, 0, 0)
    assert may_ask(made) == {METADATA, HANDSHAKE, VERSIONS, AUTHENTICATE}
    assert made.principal == Principal("User", "alice")


def test_a_mechanism_that_is_not_offered_is_the_end() -> None:
    made = login()
    assert made.handshake("GSSAPI", 1, 0) is ErrorCode.UNSUPPORTED_SASL_MECHANISM
    assert made.offered == ["PLAIN", "OTHER"]
    assert made.phase is Phase.OUT and may_ask(made) == set()


def test_who_is_refused_stays_out() -> None:
    made = login()
    made.handshake("PLAIN", 1, 0)
    with pytest.raises(LoginRefused):
        made.authenticate(b"\0alice\0wrong", 0, 0)
    assert may_ask(made) == set() and made.is_pending


def test_bare_tokens_follow_version_0_only_until_the_login_is_done() -> None:
    made = login()
    made.handshake("PLAIN", 0, 0)
    assert made.takes_bare_tokens
    made.authenticate(ALICE, 0, 0)
    assert not made.takes_bare_tokens


def test_a_session_without_an_end_has_none() -> None:
    made = login()
    made.handshake("PLAIN", 1, 0)
    assert made.authenticate(ALICE, 0, 1_000).session_lifetime_ms == 0
    assert METADATA in may_ask(made, 1 << 60)


@pytest.mark.parametrize(("mechanism", "lifetime_ms"), [("PLAIN", 60_000), ("OTHER", 4_000)])
def test_a_session_ends_with_its_time_or_with_what_was_shown(mechanism: str, lifetime_ms: int) -> None:
    made = login(60_000)
    made.handshake(mechanism, 1, 10)
    assert made.authenticate(ALICE, 10, 1_000).session_lifetime_ms == lifetime_ms
    assert METADATA in may_ask(made, lifetime_ms + 9)
    assert may_ask(made, lifetime_ms + 10) == {HANDSHAKE}


def test_a_new_login_prolongs_the_session() -> None:
    made = logged_in(session_ms=60_000)
    assert made.handshake("PLAIN", 1, 50_000) is ErrorCode.NONE
    assert may_ask(made) == {AUTHENTICATE}
    made.authenticate(ALICE, 50_000, 0)
    assert METADATA in may_ask(made, 109_999)


def test_a_new_login_may_not_come_within_a_second() -> None:
    made = logged_in(now_ms=0)
    assert made.handshake("PLAIN", 1, 999) is ErrorCode.ILLEGAL_SASL_STATE
    assert METADATA in may_ask(made)
    assert made.handshake("PLAIN", 1, 1_000) is ErrorCode.NONE


def test_a_new_login_is_by_the_same_mechanism() -> None:
    made = logged_in()
    assert made.handshake("OTHER", 1, 2_000) is ErrorCode.UNSUPPORTED_SASL_MECHANISM
    assert may_ask(made) == set()


def test_cve_2017_12610_a_new_login_cannot_make_somebody_else_of_a_connection() -> None:
    made = logged_in()
    made.handshake("PLAIN", 1, 2_000)
    with pytest.raises(LoginRefused, match="Cannot change principals"):
        made.authenticate(b"\0bob\0other", 2_000, 0)
    assert may_ask(made) == set() and made.principal == Principal("User", "alice")


def test_what_expires_ends_the_session_even_where_sessions_do_not_end() -> None:
    made = login()
    made.handshake("OTHER", 1, 0)
    assert made.authenticate(ALICE, 0, 1_000).session_lifetime_ms == 4_000
    assert METADATA in may_ask(made, 3_999)
    assert may_ask(made, 4_000) == {HANDSHAKE}
