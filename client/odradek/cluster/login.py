"""A client's login on one connection, and the next one before the session is over (KIP-368)."""

from __future__ import annotations

import base64
from functools import partial
from typing import TYPE_CHECKING

import trio

from odradek.errors import AuthenticationFailed, ConnectionFailed, OdradekError
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from odradek.protocol.sasl.exchange import LoginFailed

if TYPE_CHECKING:
    from random import Random

    from odradek.cluster.connection import Connection
    from odradek.security import Security

NONCE_BYTES = 24
PART_OF_SESSION = 0.85
"""After so much of a session the next login begins."""


async def log_in(connection: Connection, security: Security, random: Random, timeout_s: float) -> float:
    """Return how many seconds the session lasts, 0 for ever.

    Raises AuthenticationFailed, ConnectionFailed, RequestTimedOut.
    """
    nonce = base64.b64encode(random.randbytes(NONCE_BYTES)).decode()
    # A program's own function may take a while to give a token, and SCRAM's keys take milliseconds.
    try:
        exchange = await trio.to_thread.run_sync(partial(security.exchange, nonce))
    except Exception as error:  # whatever that function raises: it may give a token the next time
        raise ConnectionFailed(f"sasl_token has given no token, but raised {type(error).__name__}") from error
    asked = SaslHandshakeRequest(exchange.mechanism)
    begun = await connection.request_alone(asked, SaslHandshakeResponse, timeout_s, 1)
    if begun.error_code:
        offered = f"{exchange.mechanism}; the broker offers {', '.join(begun.mechanisms)}"
        raise AuthenticationFailed(ErrorCode.from_code(begun.error_code), offered)
    token: bytes | None = exchange.first()
    while token is not None:
        answer = await connection.request_alone(SaslAuthenticateRequest(token), SaslAuthenticateResponse, timeout_s)
        if answer.error_code:
            raise AuthenticationFailed(ErrorCode.from_code(answer.error_code), answer.error_message)
        try:
            token = await trio.to_thread.run_sync(exchange.reply, bytes(answer.auth_bytes))
        except LoginFailed as error:
            raise AuthenticationFailed(ErrorCode.SASL_AUTHENTICATION_FAILED, str(error)) from None
    return answer.session_lifetime_ms / 1000


async def stay_logged_in(
    connection: Connection, security: Security, random: Random, timeout_s: float, session_s: float
) -> None:
    """Log in anew, again and again, until the connection is over. Nothing else is sent while that is under way."""
    while session_s > 0 and connection.is_open:
        await trio.sleep(PART_OF_SESSION * session_s)
        try:
            with connection.alone():
                session_s = await log_in(connection, security, random, timeout_s)
        except OdradekError as error:
            connection.close(error)
