"""OAUTHBEARER (RFC 7628): a token of somebody else's in place of a password. To be used over TLS."""

from __future__ import annotations

from odradek.protocol.sasl.exchange import LoginFailed

_SEPARATOR = b"\x01"


class OAuthBearerExchange:
    mechanism = "OAUTHBEARER"

    def __init__(self, token: str, extensions: dict[str, str] | None = None) -> None:
        self._token = token
        self._extensions = extensions or {}

    def first(self) -> bytes:
        pairs = [f"auth=Bearer {self._token}", *(f"{name}={value}" for name, value in self._extensions.items())]
        return b"n,," + b"".join(_SEPARATOR + pair.encode() for pair in pairs) + 2 * _SEPARATOR

    def reply(self, token: bytes) -> bytes | None:
        """A broker that refuses says why, and waits for one byte before it says so in its own way."""
        if not token:
            return None
        if self._token:
            self._token = ""
            return _SEPARATOR
        raise LoginFailed(f"OAUTHBEARER: {token.decode(errors='replace')}")


def read_bearer(token: bytes) -> tuple[str, str]:
    """As whom somebody wants to act (mostly empty), and the bearer's token. Raises ValueError."""
    head, *pairs = token.split(_SEPARATOR)
    flag, acts_as, rest = (part.decode() for part in head.split(b",", 2))
    if flag not in ("n", "y") or rest or pairs[-2:] != [b"", b""]:
        raise ValueError("an OAUTHBEARER token that is none")
    for pair in pairs[:-2]:
        name, _, value = pair.decode().partition("=")
        if name.lower() == "auth" and value.lower().startswith("bearer "):
            return acts_as.removeprefix("a="), value[len("bearer ") :].strip()
    raise ValueError("an OAUTHBEARER token without a bearer")
