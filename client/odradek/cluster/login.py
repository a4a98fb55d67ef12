"""As whom a client logs in on its connections, and the next login before the session is over (KIP-368)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import trio

from odradek.errors import AuthenticationFailed, ConnectionFailed, OdradekError
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from odradek.protocol.sasl.exchange import Exchange, LoginFailed

if TYPE_CHECKING:
    from odradek.cluster.connection import Connection
    from odradek.security import Security

NONCE_BYTES = 24
PART_OF_SESSION = 0.85
"""After so much of a session the next login begins."""
THREADS = 4
"""In which a program's own function may look for a token at a time. One that never returns keeps its thread."""


class Account:
    """Of one client."""

    def __init__(self, security: Security, secret_bytes: Callable[[int], bytes], timeout_s: float) -> None:
        """`secret_bytes`: so many that nobody can foresee. `timeout_s`: for each answer, and for a token."""
        self._security = security
        self._secret_bytes = secret_bytes
        self._timeout_s = timeout_s
        self._threads = trio.CapacityLimiter(THREADS)

    async def log_in(self, connection: Connection) -> float:
        """Return how many seconds the session lasts, 0 for ever.

        Raises AuthenticationFailed, ConnectionFailed, RequestTimedOut.
        """
        exchange = await self._exchange()
        asked = SaslHandshakeRequest(exchange.mechanism)
        begun = await connection.request_alone(asked, SaslHandshakeResponse, self._timeout_s, 1)
        if begun.error_code:
            offered = f"{exchange.mechanism}; the broker offers {', '.join(begun.mechanisms)}"
            raise AuthenticationFailed(ErrorCode.from_code(begun.error_code), offered)
        token: bytes | None = exchange.first()
        while token is not None:
            said = SaslAuthenticateRequest(token)
            answer = await connection.request_alone(said, SaslAuthenticateResponse, self._timeout_s)
            if answer.error_code:
                raise AuthenticationFailed(ErrorCode.from_code(answer.error_code), answer.error_message)
            try:
                # SCRAM's keys take milliseconds.
                token = await trio.to_thread.run_sync(exchange.reply, bytes(answer.auth_bytes))
            except LoginFailed as error:
                raise AuthenticationFailed(ErrorCode.SASL_AUTHENTICATION_FAILED, str(error)) from None
        return answer.session_lifetime_ms / 1000

    async def stay_logged_in(self, connection: Connection, session_s: float) -> None:
        """Log in anew, again and again, until the connection is over. Nothing else is sent while that is under way."""
        while session_s > 0:
            with trio.move_on_after(PART_OF_SESSION * session_s):
                await connection.wait_ended()
                return
            try:
                with connection.alone():
                    session_s = await self.log_in(connection)
            except OdradekError as error:
                connection.close(error)

    async def _exchange(self) -> Exchange:
        """One login. A program's own function may take a while to give a token, and is not waited for longer than that.

        Raises ConnectionFailed.
        """
        nonce = base64.b64encode(self._secret_bytes(NONCE_BYTES)).decode()
        make = partial(self._security.exchange, nonce)
        try:
            with trio.fail_after(self._timeout_s):
                return await trio.to_thread.run_sync(make, abandon_on_cancel=True, limiter=self._threads)
        except trio.TooSlowError:
            raise ConnectionFailed(f"sasl_token has given no token within {self._timeout_s:g} s") from None
        except Exception as error:  # whatever that function raises: it may give a token the next time
            raise ConnectionFailed(f"sasl_token has given no token, but raised {type(error).__name__}") from error
