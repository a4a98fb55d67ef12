"""Tokens of an identity provider (JWT, RFC 7519) as OAUTHBEARER shows them: who somebody is, and until when.

Invariants
    A token is believed only if one of the provider's own keys has signed it, by a method that this key is for: what the
    token says of its method chooses among those, and nothing else. None of them is symmetric, and none is "none".
    Issuer, audience, user and end have to be there, and right.
    Where the settings say that unsigned tokens are believed, those are, and only by their method "none": of signed ones
    all this holds.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from msgspec import Struct

LONGEST_TOKEN = 64 * 1024
SMALLEST_RSA_BITS = 2048

_HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}
_CURVES: dict[str, tuple[type[ec.EllipticCurve], str]] = {
    "P-256": (ec.SECP256R1, "ES256"),
    "P-384": (ec.SECP384R1, "ES384"),
    "P-521": (ec.SECP521R1, "ES512"),
}
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")

Verify: TypeAlias = Callable[[str, bytes, bytes], None]
"""(method, signature, what was signed): raises InvalidSignature."""


class TokenRefused(Exception):
    """Why a token is not believed; nothing of the token is in the text."""


class Key(Struct, frozen=True):
    """One of a provider's."""

    methods: tuple[str, ...]
    """For which it may be used."""
    verify: Verify


class Keys(Protocol):
    """A provider's."""

    def get(self, key_id: str, /) -> Key | None: ...


class Expected(Struct, frozen=True):
    """What a token has to say."""

    issuer: str
    audiences: tuple[str, ...]
    """One of them."""
    user_claim: str = "sub"
    clock_skew_s: int = 30
    unsigned: bool = False
    """Whether a token may be signed by nobody; issuer and audience are then looked at only where they are set."""


class Bearer(Struct, frozen=True):
    user: str
    expires_s: int


def read_keys(text: bytes) -> dict[str, Key]:
    """A JWKS (RFC 7517) by the ids of its keys; kinds that are not used here are left out. Raises ValueError."""
    try:
        listed = msgspec.json.decode(text)["keys"]
        found = {str(each.get("kid", "")): key for each in listed if (key := _key(each)) is not None}
    except (msgspec.DecodeError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"is no set of keys: {type(error).__name__}") from None
    if not found:
        raise ValueError("has no key that could be used: RSA from 2048 bits on, or EC")
    return found


def believe(token: str, keys: Keys, expected: Expected, now_s: float) -> Bearer:
    """Raises TokenRefused."""
    if len(token) > LONGEST_TOKEN:
        raise TokenRefused("the token is too long")
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenRefused("it is no signed token")
    header, claims = _object(parts[0]), _object(parts[1])
    is_signed = not (expected.unsigned and header.get("alg") == "none" and not parts[2])
    if is_signed:
        _check_signature(header, keys, _bytes(parts[2]), f"{parts[0]}.{parts[1]}".encode())
    return _check_claims(claims, expected, now_s, is_signed=is_signed)


def _check_signature(header: Mapping[str, Any], keys: Keys, signature: bytes, signed: bytes) -> None:
    key = keys.get(str(header.get("kid", "")))
    method = header.get("alg")
    if key is None:
        raise TokenRefused("it is signed by nobody who is known")
    if method not in key.methods or "crit" in header:
        raise TokenRefused("it is signed by a method that its key is not for")
    try:
        key.verify(str(method), signature, signed)
    except (InvalidSignature, ValueError):
        raise TokenRefused("its signature is wrong") from None


def _check_claims(claims: Mapping[str, Any], expected: Expected, now_s: float, *, is_signed: bool) -> Bearer:
    ends, begins, user = claims.get("exp"), claims.get("nbf", 0), claims.get(expected.user_claim)
    audience = claims.get("aud")
    if (is_signed or expected.issuer) and claims.get("iss") != expected.issuer:
        raise TokenRefused("it is of another issuer")
    if (is_signed or expected.audiences) and not _is_for(audience, expected):
        raise TokenRefused("it is for somebody else")
    if not isinstance(ends, int | float) or now_s >= ends + expected.clock_skew_s:
        raise TokenRefused("it has expired, or never does")
    if not isinstance(begins, int | float) or now_s < begins - expected.clock_skew_s:
        raise TokenRefused("it is not valid yet")
    if not isinstance(user, str) or not user:
        raise TokenRefused("it names no user")
    return Bearer(user, int(ends))


def _is_for(audience: Any, expected: Expected) -> bool:
    named = [audience] if isinstance(audience, str) else audience
    return isinstance(named, list) and any(each in expected.audiences for each in named)


def _key(jwk: Mapping[str, Any]) -> Key | None:
    if jwk.get("use", "sig") != "sig":
        return None
    try:
        if jwk.get("kty") == "RSA":
            return _rsa_key(jwk)
        if jwk.get("kty") == "EC" and jwk.get("crv") in _CURVES:
            return _ec_key(jwk)
    except (TokenRefused, ValueError, KeyError):
        return None
    return None


def _rsa_key(jwk: Mapping[str, Any]) -> Key | None:
    key = rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()

    def verify(method: str, signature: bytes, signed: bytes) -> None:
        chosen = _HASHES[method[2:]]()
        if method.startswith("PS"):
            key.verify(signature, signed, padding.PSS(padding.MGF1(chosen), padding.PSS.DIGEST_LENGTH), chosen)
        else:
            key.verify(signature, signed, padding.PKCS1v15(), chosen)

    methods = tuple(each for each in _RSA if jwk.get("alg", each) == each)
    return Key(methods, verify) if key.key_size >= SMALLEST_RSA_BITS else None


def _ec_key(jwk: Mapping[str, Any]) -> Key | None:
    curve, method = _CURVES[jwk["crv"]]
    key = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), curve()).public_key()
    size = (key.key_size + 7) // 8

    def verify(method: str, signature: bytes, signed: bytes) -> None:
        if len(signature) != 2 * size:
            raise InvalidSignature
        r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_HASHES[method[2:]]()))

    return Key((method,), verify) if jwk.get("alg", method) == method else None


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text), "big")


def _object(text: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(_bytes(text))
    except (msgspec.DecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise TokenRefused("it is no token")
    return found


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise TokenRefused("it is no token") from None
