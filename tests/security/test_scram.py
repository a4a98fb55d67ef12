"""SCRAM, both sides: the example of its RFC, and everything that somebody could leave out or make up."""

from __future__ import annotations

import base64
import hmac

import pytest

from odradek.admin import users
from odradek.protocol.sasl.exchange import LoginFailed
from odradek.protocol.sasl.plain import PlainExchange
from odradek.protocol.sasl.scram import (
    HASHES,
    MOST_ITERATIONS,
    ScramExchange,
    ScramKeys,
    encode_base64,
    keyed,
    salted_password,
    scram_keys,
    xor,
)
from odradek_broker.controller import scram_users
from odradek_broker.security import delegation
from odradek_broker.security.delegation import TokenAccount
from odradek_broker.security.plain import PlainServer
from odradek_broker.security.principal import Principal
from odradek_broker.security.refused import LoginRefused
from odradek_broker.security.scram import ScramServer

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
CLIENT_NONCE, SERVER_NONCE = "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"


def keys(mechanism: str = "SCRAM-SHA-256", password: str = "pencil") -> ScramKeys:
    return scram_keys(mechanism, salted_password(mechanism, password, SALT, 4096), SALT, 4096)


KEYS = keys()


def server(users: dict[str, ScramKeys] | None = None, mechanism: str = "SCRAM-SHA-256") -> ScramServer:
    return ScramServer(mechanism, (users or {"user": KEYS}).get, SERVER_NONCE, b"secret")


def client(user: str = "user", password: str = "pencil", mechanism: str = "SCRAM-SHA-256") -> ScramExchange:
    return ScramExchange(mechanism, user, password, CLIENT_NONCE)


def test_both_sides_say_what_the_example_of_rfc_7677_says() -> None:
    ours, theirs = client(), server()
    first = ours.first()
    assert first == f"n,,n=user,r={CLIENT_NONCE}".encode()
    challenge = theirs.step(first)
    assert challenge == f"r={CLIENT_NONCE}{SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode()
    proof = ours.reply(challenge)
    assert proof == (f"c=biws,r={CLIENT_NONCE}{SERVER_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".encode())
    final = theirs.step(proof)
    assert final == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert ours.reply(final) is None
    assert theirs.principal == Principal("User", "user")


@pytest.mark.parametrize("mechanism", HASHES)
def test_any_name_and_any_password_get_through(mechanism: str) -> None:
    name, password = "a=b,c=2C ü", "p,=w ö\0"
    ours, theirs = client(name, password, mechanism), server({name: keys(mechanism, password)}, mechanism)
    proof = ours.reply(theirs.step(ours.first()))
    assert proof is not None
    assert ours.reply(theirs.step(proof)) is None
    assert theirs.principal == Principal("User", name)


def refused(theirs: ScramServer, *tokens: bytes) -> str:
    *before, last = tokens
    for token in before:
        theirs.step(token)
    with pytest.raises(LoginRefused) as caught:
        theirs.step(last)
    assert theirs.principal is None
    return str(caught.value)


def test_a_wrong_password_is_told_as_kafka_tells_it() -> None:
    ours, theirs = client(password="pen"), server()
    proof = ours.reply(theirs.step(ours.first()))
    assert proof is not None
    assert refused(theirs, proof) == (
        "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256"
    )


def test_a_user_that_there_is_not_is_asked_as_any_other_and_always_the_same() -> None:
    challenges = []
    for _ in range(2):
        ours, theirs = client("nobody"), server()
        challenges.append(theirs.step(ours.first()))
        proof = ours.reply(challenges[-1])
        assert proof is not None
        assert "invalid credentials" in refused(theirs, proof)
    assert challenges[0] == challenges[1]
    assert challenges[0] != server().step(client("nobody2").first())
    assert b",i=4096" in challenges[0]


@pytest.mark.parametrize("mechanism", HASHES)
def test_the_salt_of_nobody_is_as_long_as_those_of_users_and_tokens(mechanism: str) -> None:
    def length(challenge: bytes) -> int:
        return len(base64.b64decode(challenge.partition(b",s=")[2].partition(b",")[0]))

    kept = delegation.TokenKeys("secret").of(mechanism, "token")
    nobodys = length(server(mechanism=mechanism).step(client("nobody", mechanism=mechanism).first()))
    assert nobodys == len(kept.salt) == scram_users.SALT_BYTES == users.SALT_BYTES


def test_cve_2024_56128_a_final_message_for_another_nonce_is_refused() -> None:
    """Everything else about it is right, for that nonce."""
    ours, theirs = client(), server()
    challenge = theirs.step(ours.first())
    theirs._answered = challenge.decode()
    other = challenge.replace(SERVER_NONCE.encode(), b"another")
    proof = ours.reply(other)
    assert proof is not None
    theirs._answered = other.decode()  # so that the proof fits: only the comparison of nonces is left to refuse it
    assert "invalid credentials" in refused(theirs, proof)


def test_cve_2021_38153_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    digest = hmac.compare_digest

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return digest(left, right)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    ours, theirs = client(), server()
    proof = ours.reply(theirs.step(ours.first()))
    assert proof is not None
    theirs.step(proof)
    assert KEYS.stored_key in [right for _, right in compared]
    compared.clear()
    plain = PlainServer({"user": "pencil"})
    for user, password in (("user", "wrong"), ("nobody", "pencil"), ("user", "pencil")):
        try:
            plain.step(PlainExchange(user, password).first())
        except LoginRefused:
            pass
    assert len(compared) == 3 and {len(one) for pair in compared for one in pair} == {32}


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"\xff\xfe",
        b"n,,",
        b"n,,n=user",
        b"n,,r=x,n=user",
        b"n,,n=,r=x",
        b"n,,n=user,r=",
        b"n,,n=us=er,r=x",
        b"n,,n=user,n=user,r=x",
        b"p=tls-unique,,n=user,r=x",
        b"n,,m=x,n=user,r=x",
        b"n,,n=" + b"u" * 5000 + b",r=x",
    ],
)
def test_a_first_message_that_is_none_is_refused(token: bytes) -> None:
    assert "invalid credentials" in refused(server(), token)


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: b"",
        lambda proof: proof.rpartition(b",p=")[0],
        lambda proof: proof.replace(b"c=biws", b"c=eSws"),
        lambda proof: proof.replace(b"c=biws,", b""),
        lambda proof: proof[:-5] + b"AAA==",
        lambda proof: proof + b"AAAA",
        lambda proof: proof.rpartition(b",p=")[0] + b",p=AAAA",
        lambda proof: proof.replace(b",p=", b",x=1,p="),
    ],
)
def test_a_final_message_that_was_changed_is_refused(change: object) -> None:
    ours, theirs = client(), server()
    proof = ours.reply(theirs.step(ours.first()))
    assert "invalid credentials" in refused(theirs, change(proof))  # type: ignore[operator]


def test_a_channel_other_than_the_one_that_was_begun_is_refused_though_the_proof_fits() -> None:
    """What somebody in between could have changed: y, which says that the client could do more, into n."""
    theirs = server()
    first = client().first().decode()
    challenge = theirs.step(first.encode()).decode()
    for channel, is_right in (("eSws", False), ("biws", True)):
        final = f"c={channel},r={CLIENT_NONCE}{SERVER_NONCE}"
        message = f"{first.removeprefix('n,,')},{challenge},{final}".encode()
        salted = salted_password("SCRAM-SHA-256", "pencil", SALT, 4096)
        client_key = keyed("SCRAM-SHA-256", salted, b"Client Key")
        proof = encode_base64(xor(client_key, keyed("SCRAM-SHA-256", KEYS.stored_key, message)))
        token = f"{final},p={proof}".encode()
        if is_right:
            assert theirs.step(token).startswith(b"v=")
        else:
            refused(theirs, token)


def test_one_cannot_act_as_somebody_else() -> None:
    assert "authorization id" in refused(server(), b"n,a=admin,n=user,r=x")
    theirs = server()
    assert theirs.step(b"n,a=user,n=user,r=x").startswith(b"r=x")


@pytest.mark.parametrize(
    ("challenge", "why"),
    [
        ("r={c},s=AAAA,i=4096", "not to our question"),
        ("r=other,s=AAAA,i=4096", "not to our question"),
        ("r={c}x,s=AAAA,i=4095", "demands 4095"),
        (f"r={{c}}x,s=AAAA,i={MOST_ITERATIONS + 1}", "demands 1000001"),
        ("r={c}x,s=!,i=4096", "nobody understands"),
        ("r={c}x,s=AAAA,i=many", "nobody understands"),
        ("m=x,r={c}x,s=AAAA,i=4096", "not to our question"),
    ],
)
def test_a_client_does_not_work_for_a_broker_that_makes_it_up(challenge: str, why: str) -> None:
    with pytest.raises(LoginFailed, match=why):
        client().reply(challenge.format(c=CLIENT_NONCE).encode())


def test_a_client_refuses_a_broker_that_does_not_know_the_password() -> None:
    ours, theirs = client(), server()
    ours.reply(theirs.step(ours.first()))
    with pytest.raises(LoginFailed, match="not who it should be"):
        ours.reply(f"v={encode_base64(bytes(32))}".encode())


def test_nothing_of_the_password_is_printed() -> None:
    assert "pencil" not in repr(client()) and repr(KEYS) == "ScramKeys(iterations=4096)"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (b"\0user\0wrong", "Invalid username or password"),
        (b"\0nobody\0pencil", "Invalid username or password"),
        (b"\0\0pencil", "username not specified"),
        (b"\0user\0", "password not specified"),
        (b"admin\0user\0pencil", "authorization id"),
        (b"user\0pencil", "not the form"),
        (b"\0user\0pencil\0", "not the form"),
        (b"\0user\0\xff", "not the form"),
    ],
)
def test_what_plain_refuses(token: bytes, why: str) -> None:
    with pytest.raises(LoginRefused, match=why) as caught:
        PlainServer({"user": "pencil"}).step(token)
    assert "pencil" not in str(caught.value)


def test_plain_lets_in_who_has_the_password() -> None:
    plain = PlainServer({"user": "pencil"})
    assert plain.step(b"user\0user\0pencil") == b""
    assert plain.principal == Principal("User", "user")


TOKEN = TokenAccount(keys(password="the hmac"), Principal("User", "alice"), 9_000)


def by_token(token_id: str = "id", password: str = "the hmac") -> tuple[ScramExchange, ScramServer]:
    tokens = {"id": TOKEN}
    theirs = ScramServer("SCRAM-SHA-256", {"user": KEYS}.get, SERVER_NONCE, b"secret", tokens.get)
    return ScramExchange("SCRAM-SHA-256", token_id, password, CLIENT_NONCE, by_token=True), theirs


def test_who_shows_a_delegation_token_acts_as_its_owner_until_it_expires() -> None:
    ours, theirs = by_token()
    proof = ours.reply(theirs.step(ours.first()))
    assert proof is not None and ours.reply(theirs.step(proof)) is None
    assert (theirs.principal, theirs.expires_ms, theirs.by_token) == (Principal("User", "alice"), 9_000, True)


@pytest.mark.parametrize(("token_id", "password"), [("id", "pencil"), ("nobody's", "the hmac"), ("user", "pencil")])
def test_a_token_that_there_is_not_is_asked_as_any_other_and_a_user_is_no_token(token_id: str, password: str) -> None:
    ours, theirs = by_token(token_id, password)
    proof = ours.reply(theirs.step(ours.first()))
    assert proof is not None
    with pytest.raises(LoginRefused, match="invalid credentials"):
        theirs.step(proof)
    assert theirs.principal is None


def test_the_id_of_a_token_is_no_user() -> None:
    ours, theirs = client("id", "the hmac"), by_token()[1]
    proof = ours.reply(theirs.step(ours.first()))
    assert proof is not None
    with pytest.raises(LoginRefused):
        theirs.step(proof)


def test_keys_of_tokens_are_made_once_and_no_more_are_kept_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def make(mechanism: str, password: str, salt: bytes, iterations: int) -> bytes:
        made.append(mechanism)
        return b"salted"

    monkeypatch.setattr(delegation, "salted_password", make)
    monkeypatch.setattr(delegation, "MAX_KEPT_KEYS", 2)
    kept = delegation.TokenKeys("secret")
    assert kept.of("SCRAM-SHA-256", "a") is kept.of("SCRAM-SHA-256", "a")
    assert kept.of("SCRAM-SHA-512", "a") != kept.of("SCRAM-SHA-256", "a")
    assert made == ["SCRAM-SHA-256", "SCRAM-SHA-512"]
    for number in range(5):
        kept.of("SCRAM-SHA-256", str(number))
    assert len(kept._kept) == 2
