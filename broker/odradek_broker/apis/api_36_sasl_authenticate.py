"""SaslAuthenticate (API key 36), versions 0-2: a step of a login.

Behaviour
    Whoever is refused               SASL_AUTHENTICATION_FAILED after connection.failed.authentication.delay.ms, and the
                                     connection ends: who guesses has to wait
    A listener that wants no login, or nothing agreed upon by SaslHandshake    ILLEGAL_SASL_STATE
Versions
    1 session_lifetime_ms    2 flexible
"""

from __future__ import annotations

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from odradek_broker.apis import RequestContext
from odradek_broker.security.refused import LoginRefused

REQUEST, VERSIONS = SaslAuthenticateRequest, range(3)


async def handle(request: SaslAuthenticateRequest, context: RequestContext) -> SaslAuthenticateResponse:
    login, clock = context.caller.login, context.broker.clock
    if login is None or not login.takes_tokens:
        return SaslAuthenticateResponse(
            error_code=ErrorCode.ILLEGAL_SASL_STATE, error_message="this listener wants no login, or none was begun"
        )
    try:
        step = login.authenticate(bytes(request.auth_bytes), clock.monotonic_ms(), clock.now_ms())
    except LoginRefused as refused:
        await trio.sleep(context.broker.config.connection_failed_authentication_delay_ms / 1000)
        return SaslAuthenticateResponse(error_code=ErrorCode.SASL_AUTHENTICATION_FAILED, error_message=str(refused))
    context.caller.principal = login.principal
    return SaslAuthenticateResponse(
        error_message=None, auth_bytes=step.token, session_lifetime_ms=step.session_lifetime_ms
    )
