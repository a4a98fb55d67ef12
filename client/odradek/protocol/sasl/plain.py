"""PLAIN (RFC 4616): user and password as they are. To be used over TLS."""

from __future__ import annotations


class PlainExchange:
    mechanism = "PLAIN"

    def __init__(self, user: str, password: str) -> None:
        self._token = b"\0".join((b"", user.encode(), password.encode()))

    def first(self) -> bytes:
        return self._token

    def reply(self, token: bytes) -> None:
        return None


def read_plain(token: bytes) -> tuple[str, str, str]:
    """As whom somebody wants to act (mostly empty), the user, and the password. Raises ValueError."""
    parts = token.split(b"\0")
    if len(parts) != 3:
        raise ValueError(f"a PLAIN token has three parts, and not {len(parts)}")
    acts_as, user, password = (part.decode() for part in parts)
    return acts_as, user, password
