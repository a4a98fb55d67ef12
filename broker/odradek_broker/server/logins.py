"""The logins of one listener: which mechanisms it has, and where each finds its users."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from odradek.protocol.sasl.scram import NUMBERS
from odradek_broker.config.logins import jaas_line, path_of
from odradek_broker.security.delegation import TokenAccount, TokenKeys
from odradek_broker.security.login import Login
from odradek_broker.security.plain import PlainServer
from odradek_broker.security.scram import ScramServer
from odradek_broker.server.key_file import KeyFile

if TYPE_CHECKING:
    from odradek.protocol.sasl.scram import ScramKeys
    from odradek_broker.config import BrokerConfig
    from odradek_broker.node.broker import Broker
    from odradek_broker.security.mechanism import ServerExchange, Start
    from odradek_broker.security.tokens import Bearer

NONCE_BYTES = 24
OAUTHBEARER = "OAUTHBEARER"


class Logins:
    def __init__(self, config: BrokerConfig, listener: str) -> None:
        self._mechanisms = config.sasl_enabled_mechanisms
        self._session_ms = {each: config.at(listener, each).connections_max_reauth_ms for each in self._mechanisms}
        self._passwords = jaas_line(config, listener, "PLAIN").users if "PLAIN" in self._mechanisms else {}
        self._tokens = _tokens(config.at(listener, OAUTHBEARER)) if OAUTHBEARER in self._mechanisms else None
        self._secret = b""
        self._token_keys = TokenKeys(config.delegation_token_secret) if config.delegation_token_secret else None

    def new(self, broker: Broker) -> Login:
        self._secret = self._secret or broker.random.randbytes(32)
        starts: dict[str, Start] = {each: partial(self._start, each, broker) for each in self._mechanisms}
        return Login(starts, self._session_ms)

    def _start(self, mechanism: str, broker: Broker) -> ServerExchange:
        if mechanism == "PLAIN":
            return PlainServer(self._passwords)
        if self._tokens is not None and mechanism == OAUTHBEARER:
            from odradek_broker.security.oauthbearer import OAuthBearerServer

            return OAuthBearerServer(partial(self._tokens, broker.clock.now_ms()))
        number = next(number for number, name in NUMBERS.items() if name == mechanism)

        def keys_of(user: str) -> ScramKeys | None:
            return broker.image.scram.get((number, user))

        def token_of(token_id: str) -> TokenAccount | None:
            token = broker.image.tokens.get(token_id)
            if self._token_keys is None or token is None or token.has_expired(broker.clock.now_ms()):
                return None
            return TokenAccount(self._token_keys.of(mechanism, token_id), token.owner, token.expires_ms)

        nonce = base64.b64encode(broker.random.randbytes(NONCE_BYTES)).decode()
        return ScramServer(mechanism, keys_of, nonce, self._secret, token_of)


def _tokens(config: BrokerConfig) -> Callable[[int, str], Bearer]:
    """Whose a token is, at a time of day (ms). The library for signatures is imported only where there are some.

    Raises OSError, ValueError.
    """
    from odradek_broker.security.tokens import Expected, believe

    keys = KeyFile(path_of(config.sasl_oauthbearer_jwks_endpoint_url or ""))
    expected = Expected(
        config.sasl_oauthbearer_expected_issuer or "",
        config.sasl_oauthbearer_expected_audience,
        config.sasl_oauthbearer_sub_claim_name,
        config.sasl_oauthbearer_clock_skew_seconds,
    )
    return lambda now_ms, token: believe(token, keys.keys(), expected, now_ms / 1000)
