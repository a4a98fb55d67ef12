"""An identity provider for tests: its keys, and tokens signed with them."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW = 1_800_000_000
CLAIMS = {"iss": "https://id.example.com", "aud": "kafka", "sub": "alice", "exp": NOW + 60}


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def jwk_of_rsa(key: rsa.RSAPrivateKey, **more: str) -> dict[str, str]:
    public = key.public_key().public_numbers()
    return {"kty": "RSA", "kid": "r", "n": number(public.n), "e": number(public.e), **more}


def jwk_of_ec(**more: str) -> dict[str, str]:
    public = ec_key().public_key().public_numbers()
    return {"kty": "EC", "kid": "e", "crv": "P-256", "x": number(public.x), "y": number(public.y), **more}


def jwks(*found: dict[str, str]) -> str:
    return json.dumps({"keys": found or (jwk_of_rsa(rsa_key()), jwk_of_ec())})


def token(method: str = "RS256", *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    given = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    head = {"alg": method, "kid": "e" if method == "ES256" else "r", **(header or {})}
    signed = f"{text(json.dumps(head).encode())}.{text(json.dumps(given).encode())}"
    return f"{signed}.{text(sign(method, signed.encode()))}"


def sign(method: str, signed: bytes) -> bytes:
    if method == "ES256":
        r, s = decode_dss_signature(ec_key().sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    if method == "PS256":
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        return rsa_key().sign(signed, pss, hashes.SHA256())
    if method == "RS512":
        return rsa_key().sign(signed, padding.PKCS1v15(), hashes.SHA512())
    return rsa_key().sign(signed, padding.PKCS1v15(), hashes.SHA256())
