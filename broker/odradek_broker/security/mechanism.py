"""A broker's side of a login by one mechanism."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from odradek_broker.security.principal import Principal


class ServerExchange(Protocol):
    """One login, made for once."""

    principal: Principal | None
    """Who it is, once it is known."""
    expires_ms: int | None
    """The time of day at which what was shown is over; None where it never is."""
    claimed: str
    """Whose account somebody wants to use; empty where they have not said so. Nobody has proved anything by it."""
    by_token: bool
    """Whether a delegation token was shown: who has one can do nothing about tokens."""

    def step(self, token: bytes) -> bytes:
        """The answer to a token. Raises LoginRefused."""


Start: TypeAlias = Callable[[], ServerExchange]
"""Begins one by a mechanism."""
