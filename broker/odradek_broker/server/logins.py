"""The logins of one listener: which mechanisms it has, and where each finds its users."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from odradek.protocol.sasl.scram import NUMBERS
from odradek_broker.config.logins import is_remote, jaas_line, path_of
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
    from odradek_broker.security.tokens import Bearer, Keys
    from odradek_broker.server.key_url import KeyUrl

logger = logging.getLogger(__name__)

NONCE_BYTES = 24
OAUTHBEARER = "OAUTHBEARER"


class Logins:
    def __init__(self, config: BrokerConfig, listener: str) -> None:
        self._mechanisms = config.sasl_enabled_mechanisms
        self._session_ms = {each: config.at(listener, each).connections_max_reauth_ms for each in self._mechanisms}
        self._passwords = jaas_line(config, listener, "PLAIN").users if "PLAIN" in self._mechanisms else {}
        self._tokens: Callable[[int, str], Bearer] | None = None
        self._keys: KeyFile | KeyUrl | None = None
        if OAUTHBEARER in self._mechanisms:
            here = config.at(listener, OAUTHBEARER)
            self._keys = _keys(here)
            self._tokens = _tokens(here, self._keys)
            if here.sasl_oauthbearer_unsecured_tokens:
                logger.warning("%s believes tokens that nobody has signed: whoever reaches it can be anybody", listener)
        self._secret = b""
        """Of which salts of nobody are made until the metadata has one."""
        self._token_keys = TokenKeys(config.delegation_token_secret) if config.delegation_token_secret else None

    async def run(self) -> None:
        """Keep what comes from elsewhere fresh."""
        if self._keys is not None and not isinstance(self._keys, KeyFile):
            await self._keys.run()

    async def ready(self, mechanism: str) -> None:
        """Return once what is needed to believe somebody by that mechanism has been asked for, which takes seconds."""
        if mechanism == OAUTHBEARER and self._keys is not None:
            await self._keys.ready()

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
        return ScramServer(mechanism, keys_of, nonce, broker.image.salts_of_nobody or self._secret, token_of)


def _keys(config: BrokerConfig) -> KeyFile | KeyUrl | None:
    """Raises OSError, ValueError."""
    url = config.sasl_oauthbearer_jwks_endpoint_url
    if not url:
        return None
    if is_remote(url):
        from odradek_broker.server.key_url import KeyUrl

        return KeyUrl(config)
    return KeyFile(path_of(url))


def _tokens(config: BrokerConfig, keys: KeyFile | KeyUrl | None) -> Callable[[int, str], Bearer]:
    """Whose a token is, at a time of day (ms). The library for signatures is imported only where there are some."""
    from odradek_broker.security.tokens import Expected, believe

    expected = Expected(
        config.sasl_oauthbearer_expected_issuer or "",
        config.sasl_oauthbearer_expected_audience,
        config.sasl_oauthbearer_sub_claim_name,
        config.sasl_oauthbearer_clock_skew_seconds,
        config.sasl_oauthbearer_unsecured_tokens,
    )
    known: Keys = {} if keys is None else keys
    return lambda now_ms, token: believe(token, known, expected, now_ms / 1000)
