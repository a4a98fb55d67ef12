"""PLAIN, the broker's side: users and their passwords stand in the settings."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from odradek.protocol.sasl.plain import read_plain
from odradek_broker.security.principal import USER, Principal
from odradek_broker.security.refused import LoginRefused


class PlainServer:
    """Takes as long for a user that there is as for one that there is not."""

    expires_ms: int | None = None
    by_token = False
    claimed = ""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self.principal: Principal | None = None
        self._passwords = passwords

    def step(self, token: bytes) -> bytes:
        try:
            acts_as, user, password = read_plain(token)
        except ValueError:
            raise LoginRefused("Authentication failed: the token has not the form of PLAIN") from None
        self.claimed = user
        if not user or not password:
            raise LoginRefused(f"Authentication failed: {'password' if user else 'username'} not specified")
        known = self._passwords.get(user)
        fits = hmac.compare_digest(_hash(password if known is None else known), _hash(password))
        if known is None or not fits:
            raise LoginRefused("Authentication failed: Invalid username or password")
        if acts_as not in ("", user):
            raise LoginRefused(
                "Authentication failed: Client requested an authorization id that is different from username"
            )
        self.principal = Principal(USER, user)
        return b""


def _hash(password: str) -> bytes:
    """Of one length, whatever the password's: no comparison tells how long that is."""
    return hashlib.sha256(password.encode()).digest()
