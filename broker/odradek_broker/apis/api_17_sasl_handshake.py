"""SaslHandshake (API key 17), versions 0-1: by which mechanism a client would log in.

Behaviour
    ILLEGAL_SASL_STATE, as a broker of Kafka's answers on a listener that wants no login.
Versions
    1 the login is wrapped in SaslAuthenticate
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = SaslHandshakeRequest, range(2)


def handle(request: SaslHandshakeRequest, context: RequestContext) -> SaslHandshakeResponse:
    return SaslHandshakeResponse(error_code=ErrorCode.ILLEGAL_SASL_STATE)
