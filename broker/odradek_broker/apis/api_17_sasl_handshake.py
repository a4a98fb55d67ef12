"""SaslHandshake (API key 17), versions 0-1: by which mechanism a client would log in.

Behaviour
    A mechanism that is not offered, or another one than before, on a new login of the same connection
                                     UNSUPPORTED_SASL_MECHANISM with those that are, and the connection ends
    A new login within a second of the last one, or a listener that wants none    ILLEGAL_SASL_STATE
Versions
    0 what follows are bare tokens    1 the login is wrapped in SaslAuthenticate
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = SaslHandshakeRequest, range(2)


def handle(request: SaslHandshakeRequest, context: RequestContext) -> SaslHandshakeResponse:
    login = context.caller.login
    if login is None:
        return SaslHandshakeResponse(error_code=ErrorCode.ILLEGAL_SASL_STATE)
    error = login.handshake(request.mechanism, context.version, context.broker.clock.monotonic_ms())
    return SaslHandshakeResponse(error_code=error, mechanisms=login.offered)
