"""Tokens of an identity provider: what is believed, and each way in which one that is made up is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from odradek.protocol.sasl.oauthbearer import OAuthBearerExchange
from odradek_broker.config.load import ConfigError, load_broker_config
from odradek_broker.config.logins import path_of
from odradek_broker.security.oauthbearer import INVALID, OAuthBearerServer
from odradek_broker.security.principal import Principal
from odradek_broker.security.refused import LoginRefused
from odradek_broker.security.tokens import Bearer, Expected, Key, TokenRefused, believe, read_keys
from tests.security.signed_tokens import CLAIMS, NOW, jwk_of_ec, jwk_of_rsa, jwks, rsa_key, text, token

EXPECTED = Expected("https://id.example.com", ("kafka",))


def keys(*found: dict[str, str]) -> dict[str, Key]:
    return read_keys(jwks(*found).encode())


@pytest.mark.parametrize("method", ["RS256", "RS512", "PS256", "ES256"])
def test_a_token_that_the_provider_has_signed_is_believed(method: str) -> None:
    assert believe(token(method), keys(), EXPECTED, NOW) == Bearer("alice", NOW + 60)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://evil.example.com"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "payments"}, "somebody else"),
        ({"aud": ["payments"]}, "somebody else"),
        ({"aud": None}, "somebody else"),
        ({"aud": {"kafka": 1}}, "somebody else"),
        ({"exp": NOW - 30}, "expired"),
        ({"exp": None}, "expired"),
        ({"exp": "tomorrow"}, "expired"),
        ({"nbf": NOW + 31}, "not valid yet"),
        ({"sub": None}, "no user"),
        ({"sub": ""}, "no user"),
        ({"sub": 5}, "no user"),
    ],
)
def test_cve_2026_33557_a_token_that_is_signed_but_not_for_us_is_not_believed(claims: dict[str, Any], why: str) -> None:
    with pytest.raises(TokenRefused, match=why):
        believe(token(**claims), keys(), EXPECTED, NOW)


def test_one_of_several_audiences_and_a_clock_that_is_a_little_off_are_enough() -> None:
    assert believe(token(aud=["payments", "kafka"], exp=NOW - 29, nbf=NOW + 30), keys(), EXPECTED, NOW).user == "alice"


def test_a_token_that_somebody_has_changed_is_not_believed() -> None:
    head, body, signature = token().split(".")
    other = text(json.dumps(CLAIMS | {"sub": "admin"}).encode())
    for made, why in (
        (f"{head}.{other}.{signature}", "signature is wrong"),
        (f"{head}.{body}.", "signature is wrong"),
        (f"{head}.{body}.{text(bytes(256))}", "signature is wrong"),
        (f"{head}.{body}", "no signed token"),
        (f"{head}.{body}.{signature}.x", "no signed token"),
        (f"!.{body}.{signature}", "no token"),
        (f"{text(b'[]')}.{body}.{signature}", "no token"),
        ("a.b." + "c" * 70_000, "too long"),
    ):
        with pytest.raises(TokenRefused, match=why):
            believe(made, keys(), EXPECTED, NOW)


def test_the_token_does_not_choose_how_it_is_checked() -> None:
    """Neither no signature at all, nor the public key taken for a secret, nor another method of the same key."""
    claims = text(json.dumps(CLAIMS).encode())
    unsigned = text(json.dumps({"alg": "none", "kid": "r"}).encode())
    with pytest.raises(TokenRefused, match="a method that its key is not for"):
        believe(f"{unsigned}.{claims}.", keys(), EXPECTED, NOW)
    public = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{text(json.dumps({'alg': 'HS256', 'kid': 'r'}).encode())}.{claims}"
    forged = f"{signed}.{text(hmac.new(public, signed.encode(), hashlib.sha256).digest())}"
    with pytest.raises(TokenRefused, match="a method that its key is not for"):
        believe(forged, keys(), EXPECTED, NOW)
    only_512 = keys(jwk_of_rsa(rsa_key(), alg="RS512"))
    with pytest.raises(TokenRefused, match="a method that its key is not for"):
        believe(token("RS256"), only_512, EXPECTED, NOW)
    with pytest.raises(TokenRefused, match="nobody who is known"):
        believe(token(header={"kid": "another"}), keys(), EXPECTED, NOW)
    with pytest.raises(TokenRefused, match="a method that its key is not for"):
        believe(token(header={"crit": ["x"]}), keys(), EXPECTED, NOW)


def test_a_token_of_nothing_but_depth_is_no_token() -> None:
    deep = base64.urlsafe_b64encode(b"[" * 45_000).decode()
    with pytest.raises(TokenRefused, match="it is no token"):
        believe(f"{deep}.e30.e30", keys(), EXPECTED, NOW)


def test_only_keys_that_can_be_used_are_read() -> None:
    shared = {"kty": "oct", "kid": "o", "k": "c2VjcmV0"}
    assert keys(jwk_of_ec(), shared, jwk_of_rsa(rsa_key(), use="enc"), {"kty": "RSA", "kid": "x"}).keys() == {"e"}
    unusable = json.dumps({"keys": [shared]}).encode()
    for wrong in (b"", b"[]", b'{"keys":5}', b'{"keys":[5]}', b'{"keys":' + b"[" * 45_000, unusable):
        with pytest.raises(ValueError, match=r"keys|key that could be used"):
            read_keys(wrong)
    with pytest.raises(ValueError, match="no key that could be used"):
        keys(jwk_of_rsa(rsa_key(1024)))


def server() -> OAuthBearerServer:
    return OAuthBearerServer(lambda shown: believe(shown, keys(), EXPECTED, NOW))


def test_who_shows_a_token_acts_as_its_user_until_it_ends() -> None:
    theirs, ours = server(), OAuthBearerExchange(token())
    answer = theirs.step(ours.first())
    assert ours.reply(answer) is None
    assert theirs.principal == Principal("User", "alice") and theirs.expires_ms == (NOW + 60) * 1000


def test_who_shows_a_wrong_one_is_told_so_and_then_refused() -> None:
    theirs, ours = server(), OAuthBearerExchange(token(aud="other"))
    answer = theirs.step(ours.first())
    assert answer == INVALID and theirs.principal is None
    again = ours.reply(answer)
    assert again == b"\x01"
    with pytest.raises(LoginRefused, match="the token is not believed: it is for somebody else"):
        theirs.step(again)


def test_nobody_acts_as_another_than_the_tokens_user() -> None:
    theirs = server()
    assert theirs.step(b"n,a=bob,\x01auth=Bearer " + token().encode() + b"\x01\x01") == INVALID


@pytest.mark.parametrize(
    "shown", [b"", b"n,,", b"n,,\x01\x01", b"p,,\x01auth=Bearer x\x01\x01", b"n,,\x01auth=Basic x\x01\x01"]
)
def test_what_has_not_the_form_is_refused(shown: bytes) -> None:
    with pytest.raises(LoginRefused, match="not the form"):
        server().step(shown)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/keys", "https://id.example.com/keys", "ftp://h/k", "/etc/keys", "file://h/k", ""]
)
def test_cve_2025_27817_no_path_is_read_but_one_of_a_file_of_this_machine(url: str) -> None:
    with pytest.raises(ValueError, match="must be a file"):
        path_of(url)
    assert path_of("file:///etc/a%20b.json") == "/etc/a b.json"


def test_tokens_need_issuer_audience_and_keys() -> None:
    with pytest.raises(ConfigError) as caught:
        load_broker_config(
            None, {}, {"listeners": "SASL_PLAINTEXT://127.0.0.1:0", "sasl.enabled.mechanisms": "OAUTHBEARER"}
        )
    where = "listeners: SASL_PLAINTEXT: OAUTHBEARER needs sasl.oauthbearer."
    assert caught.value.mistakes == [
        f"{where}jwks.endpoint.url",
        f"{where}expected.issuer",
        f"{where}expected.audience",
    ]
