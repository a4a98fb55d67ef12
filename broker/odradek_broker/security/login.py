"""The login of one connection: what may be asked before, in between, and after (KIP-152, KIP-368).

    ASKING      ApiVersions and SaslHandshake only
    TELLING     a mechanism is agreed upon: SaslAuthenticate only, or bare tokens after SaslHandshake version 0
    IN          logged in: everything. SaslHandshake begins a new login of the same user, by the same mechanism
    OUT         refused, for good

Anything else ends the connection. Where sessions end, whoever is IN has to log in anew before the end, and nothing else
that they ask after it is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.primitives import ProtocolError
from odradek_broker.security.mechanism import ServerExchange, Start
from odradek_broker.security.principal import ANONYMOUS, Principal
from odradek_broker.security.refused import LoginRefused

SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 17, 18, 36

BETWEEN_LOGINS_MS = 1_000
"""Who is in may not begin anew more often."""


class Phase(Enum):
    ASKING = "asking"
    TELLING = "telling"
    IN = "in"
    OUT = "out"


class Step(Struct, frozen=True):
    """The answer to one token."""

    token: bytes
    session_lifetime_ms: int = 0


class Login:
    """Times are monotonic, unless they are said to be times of day."""

    def __init__(self, mechanisms: Mapping[str, Start], session_ms: Mapping[str, int]) -> None:
        """`session_ms`: how long a session may last, by mechanism; 0 for ever."""
        self.phase = Phase.ASKING
        self.principal: Principal = ANONYMOUS
        self.mechanism = ""
        self.by_token = False
        """Whether a delegation token was shown in the last login."""
        self.refusal = ""
        """Why somebody is OUT: a text, for an exception would keep the connection whose login this is."""
        self.claimed = ""
        """Who somebody has said they are, be it true or not; empty where that was not to be understood."""
        self._mechanisms = mechanisms
        self._session_ms = session_ms
        self._exchange: ServerExchange | None = None
        self._bare = False
        self._ends_ms: int | None = None
        """When the session is over."""
        self._may_begin_ms = 0

    @property
    def takes_bare_tokens(self) -> bool:
        """Whether what comes next is no request but a token (SaslHandshake version 0)."""
        return self._bare and self.phase is Phase.TELLING

    @property
    def takes_tokens(self) -> bool:
        return self.phase is Phase.TELLING

    @property
    def is_pending(self) -> bool:
        """Whether nobody has logged in yet."""
        return self.principal is ANONYMOUS

    def admit(self, api_key: int, now_ms: int) -> None:
        """Raises ProtocolError where that may not be asked now."""
        if self.phase is Phase.IN:
            if self._ends_ms is not None and now_ms >= self._ends_ms and api_key != SASL_HANDSHAKE:
                raise ProtocolError("its session is over, and it has not logged in anew")
            return
        allowed = (SASL_HANDSHAKE, API_VERSIONS) if self.phase is Phase.ASKING else (SASL_AUTHENTICATE,)
        if self.phase is Phase.OUT or api_key not in allowed:
            raise ProtocolError(f"it asks for API {api_key} before it has logged in")

    def handshake(self, mechanism: str, version: int, now_ms: int) -> ErrorCode:
        """Agree on a mechanism."""
        if self.phase is Phase.IN and now_ms < self._may_begin_ms:
            return ErrorCode.ILLEGAL_SASL_STATE
        is_another = not self.is_pending and mechanism != self.mechanism
        if mechanism not in self._mechanisms or is_another:
            self.phase = Phase.OUT
            self.refusal = "by a mechanism that is not offered"
            return ErrorCode.UNSUPPORTED_SASL_MECHANISM
        self._exchange = self._mechanisms[mechanism]()
        self.mechanism = mechanism
        self._bare = version == 0
        self._may_begin_ms = now_ms + BETWEEN_LOGINS_MS
        self.phase = Phase.TELLING
        return ErrorCode.NONE

    @property
    def offered(self) -> list[str]:
        return list(self._mechanisms)

    def authenticate(self, token: bytes, now_ms: int, time_of_day_ms: int) -> Step:
        """Go on with it. Raises LoginRefused, after which the connection is to end."""
        assert self._exchange is not None and self.phase is Phase.TELLING
        try:
            answer = self._exchange.step(token)
            if self._exchange.principal is None:
                return Step(answer)
            if not self.is_pending and self._exchange.principal != self.principal:
                raise LoginRefused("Cannot change principals during re-authentication")
        except LoginRefused as refusal:
            self.phase, self.refusal, self.claimed = Phase.OUT, str(refusal), self._exchange.claimed
            raise
        self.principal = self._exchange.principal
        self.by_token = self._exchange.by_token
        self.phase = Phase.IN
        lifetime_ms = self._lifetime_ms(self._exchange.expires_ms, time_of_day_ms)
        self._ends_ms = now_ms + lifetime_ms if lifetime_ms else None
        self._exchange = None
        return Step(answer, lifetime_ms)

    def _lifetime_ms(self, expires_ms: int | None, time_of_day_ms: int) -> int:
        """0 for ever. What expires ends the session, whether or not sessions end of themselves."""
        session_ms = self._session_ms.get(self.mechanism, 0)
        ends = [session_ms] if session_ms > 0 else []
        if expires_ms is not None:
            ends.append(max(1, expires_ms - time_of_day_ms))
        return min(ends, default=0)
