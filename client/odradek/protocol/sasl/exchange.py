"""A client's side of a login: tokens of ours, answered by tokens of the broker's."""

from __future__ import annotations

from typing import Protocol


class LoginFailed(Exception):
    """The broker has refused us, or is not who we have an account with."""


class Exchange(Protocol):
    """One login, made for once."""

    mechanism: str

    def first(self) -> bytes:
        """The token to begin with."""

    def reply(self, token: bytes) -> bytes | None:
        """What to say to a token of the broker's; None where all has been said. Raises LoginFailed.

        May take a while to compute, in the case of SCRAM.
        """
