"""OAUTHBEARER, the broker's side (RFC 7628): a token that is not believed is answered twice, as Kafka does it."""

from __future__ import annotations

from collections.abc import Callable

from odradek.protocol.sasl.oauthbearer import read_bearer
from odradek_broker.security.principal import USER, Principal
from odradek_broker.security.refused import LoginRefused
from odradek_broker.security.tokens import Bearer, TokenRefused

INVALID = b'{"status":"invalid_token"}'


class OAuthBearerServer:
    """`believe` says whose token it is; it raises TokenRefused."""

    by_token = False
    claimed = ""  # what a token says that is not believed is nothing

    def __init__(self, believe: Callable[[str], Bearer]) -> None:
        self.principal: Principal | None = None
        self.expires_ms: int | None = None
        self._believe = believe
        self._refusal = ""

    def step(self, token: bytes) -> bytes:
        if self._refusal:
            raise LoginRefused(self._refusal)
        try:
            acts_as, text = read_bearer(token)
        except ValueError:
            raise LoginRefused("Authentication failed: the token has not the form of OAUTHBEARER") from None
        try:
            bearer = self._believe(text)
            if acts_as not in ("", bearer.user):
                raise TokenRefused("it is of another user than the one that is to act")
        except TokenRefused as error:
            self._refusal = f"Authentication failed: the token is not believed: {error}"
            return INVALID
        self.principal = Principal(USER, bearer.user)
        self.expires_ms = bearer.expires_s * 1000
        return b""
