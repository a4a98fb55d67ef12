"""Delegation tokens (KIP-48): what somebody gives a program, so that it may act for them without their password.

A token is an id, which is no secret, and the HMAC of that id under delegation.token.secret.key, which every broker and
controller of a cluster has. Only what is said of the token is kept: whoever has the key makes the rest. To log in by
SCRAM, the id is the user and the HMAC, as base64, the password.
"""

from __future__ import annotations

import base64
import hmac

from msgspec import Struct

from odradek.protocol.sasl.scram import LEAST_ITERATIONS, ScramKeys, salted_password, scram_keys
from odradek_broker.security.principal import Principal

MAX_KEPT_KEYS = 4_096
SALT_BYTES = 24


class DelegationToken(Struct, frozen=True):
    """Times are times of day, in ms."""

    token_id: str
    owner: Principal
    """As whom its holder acts."""
    requester: Principal
    """Who has asked for it."""
    renewers: tuple[Principal, ...]
    """Who may renew and end it, beside its owner."""
    issued_ms: int
    max_ms: int
    """Beyond this nobody can renew it."""
    expires_ms: int

    def has_expired(self, now_ms: int) -> bool:
        return min(self.expires_ms, self.max_ms) < now_ms

    def is_in_the_hands_of(self, principal: Principal) -> bool:
        """Whether that is its owner, or one who may renew it."""
        return principal == self.owner or principal in self.renewers

    def concerns(self, principal: Principal) -> bool:
        """Whether it is theirs in any way: also who has asked for it may know of it."""
        return principal == self.requester or self.is_in_the_hands_of(principal)


class TokenAccount(Struct, frozen=True):
    """What a login by a token needs."""

    keys: ScramKeys
    owner: Principal
    expires_ms: int


def hmac_of(secret: str, token_id: str) -> bytes:
    return hmac.digest(secret.encode(), token_id.encode(), "sha512")


class TokenKeys:
    """SCRAM's keys of tokens. They take milliseconds to make, so they are kept: those of MAX_KEPT_KEYS logins."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._kept: dict[tuple[str, str], ScramKeys] = {}

    def of(self, mechanism: str, token_id: str) -> ScramKeys:
        """Whoever asks has seen that there is such a token: a stranger cannot have keys made of made-up ids."""
        found = self._kept.get((mechanism, token_id))
        if found is None:
            if len(self._kept) >= MAX_KEPT_KEYS:
                del self._kept[next(iter(self._kept))]
            found = self._kept[mechanism, token_id] = self._make(mechanism, token_id)
        return found

    def _make(self, mechanism: str, token_id: str) -> ScramKeys:
        shown = hmac_of(self._secret, token_id)
        salt = hmac.digest(shown, mechanism.encode(), "sha512")[:SALT_BYTES]
        salted = salted_password(mechanism, base64.b64encode(shown).decode(), salt, LEAST_ITERATIONS)
        return scram_keys(mechanism, salted, salt, LEAST_ITERATIONS)
