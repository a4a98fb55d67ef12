"""SaslAuthenticate (API key 36), versions 0-2: a step of a login.

Behaviour
    ILLEGAL_SASL_STATE, as a broker of Kafka's answers on a listener that wants no login.
Versions
    1 session_lifetime_ms    2 flexible
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = SaslAuthenticateRequest, range(3)


def handle(request: SaslAuthenticateRequest, context: RequestContext) -> SaslAuthenticateResponse:
    return SaslAuthenticateResponse(
        error_code=ErrorCode.ILLEGAL_SASL_STATE, error_message="this listener wants no login"
    )
