"""SCRAM (RFC 5802, RFC 7677): a login in which the password never leaves its owner.

The broker keeps two keys, from which nobody can log in, and the client can tell that it is the broker that has them.
User names and passwords are UTF-8 as they are, as with Kafka: SASLprep is not applied.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from msgspec import Struct

from odradek.protocol.sasl.exchange import LoginFailed

LEAST_ITERATIONS = 4096
MOST_ITERATIONS = 1_000_000
"""A broker that demands more work of a client is refused it."""

HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
NUMBERS = {1: "SCRAM-SHA-256", 2: "SCRAM-SHA-512"}
"""By which Kafka's messages name them."""

TOKEN_AUTH = "tokenauth=true"
"""The extension by which a delegation token is named in place of a user."""


class ScramKeys(Struct, frozen=True):
    """What a broker keeps of a password."""

    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int

    def __repr__(self) -> str:
        return f"ScramKeys(iterations={self.iterations})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("iterations", self.iterations)]


def salted_password(mechanism: str, password: str, salt: bytes, iterations: int) -> bytes:
    """Takes milliseconds, which is the point of it."""
    return hashlib.pbkdf2_hmac(HASHES[mechanism], password.encode(), salt, iterations)


def scram_keys(mechanism: str, salted: bytes, salt: bytes, iterations: int) -> ScramKeys:
    stored_key = digest(mechanism, keyed(mechanism, salted, b"Client Key"))
    return ScramKeys(salt, stored_key, keyed(mechanism, salted, b"Server Key"), iterations)


def keyed(mechanism: str, key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, HASHES[mechanism])


def digest(mechanism: str, data: bytes) -> bytes:
    return hashlib.new(HASHES[mechanism], data).digest()


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def escaped(name: str) -> str:
    return name.replace("=", "=3D").replace(",", "=2C")


def unescaped(name: str) -> str:
    """Raises ValueError."""
    first, *rest = name.split("=")
    if any(part[:2] not in ("3D", "2C") for part in rest):
        raise ValueError("a name with an equal sign that stands for nothing")
    return first + "".join(("=" if part[:2] == "3D" else ",") + part[2:] for part in rest)


def attributes(text: str) -> dict[str, str]:
    """The k=v,k=v of a message. Raises ValueError, also where one comes twice."""
    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or not name or name in found:
            raise ValueError("a message of SCRAM that is none")
        found[name] = value
    return found


def decode_base64(text: str) -> bytes:
    """Raises ValueError."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class ScramExchange:
    """The client's side. With `by_token` user and password are those of a delegation token."""

    def __init__(self, mechanism: str, user: str, password: str, nonce: str, *, by_token: bool = False) -> None:
        """`nonce`: random, printable, without a comma."""
        self.mechanism = mechanism
        self._password = password
        self._nonce = nonce
        extension = f",{TOKEN_AUTH}" if by_token else ""
        self._bare = f"n={escaped(user)},r={nonce}{extension}"
        self._expected = b""
        """The broker's signature, once all else is said."""

    def first(self) -> bytes:
        return f"n,,{self._bare}".encode()

    def reply(self, token: bytes) -> bytes | None:
        try:
            if not self._expected:
                return self._prove(token.decode())
            self._check(token.decode())
        except ValueError as error:
            raise LoginFailed(f"{self.mechanism}: the broker has answered what nobody understands: {error}") from None
        return None

    def _prove(self, server_first: str) -> bytes:
        answer = attributes(server_first)
        nonce, iterations = answer.get("r", ""), int(answer.get("i", ""))
        if "m" in answer or not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise LoginFailed(f"{self.mechanism}: the broker's answer is not to our question")
        if not LEAST_ITERATIONS <= iterations <= MOST_ITERATIONS:
            raise LoginFailed(f"{self.mechanism}: the broker demands {iterations} iterations")
        salted = salted_password(self.mechanism, self._password, decode_base64(answer.get("s", "")), iterations)
        final = f"c=biws,r={nonce}"
        message = f"{self._bare},{server_first},{final}".encode()
        client_key = keyed(self.mechanism, salted, b"Client Key")
        signature = keyed(self.mechanism, digest(self.mechanism, client_key), message)
        self._expected = keyed(self.mechanism, keyed(self.mechanism, salted, b"Server Key"), message)
        return f"{final},p={encode_base64(xor(client_key, signature))}".encode()

    def _check(self, server_final: str) -> None:
        answer = attributes(server_final)
        if "e" in answer:
            raise LoginFailed(f"{self.mechanism}: {answer['e']}")
        if not hmac.compare_digest(decode_base64(answer.get("v", "")), self._expected):
            raise LoginFailed(f"{self.mechanism}: the broker does not know our password: it is not who it should be")
