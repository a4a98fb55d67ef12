"""ExpireDelegationToken (API key 40), versions 1-2: end a token, or say when it ends.

Behaviour
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as a broker of Kafka's answers to a client that has not logged in.
Versions
    2 flexible
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.expire_delegation_token import (
    ExpireDelegationTokenRequest,
    ExpireDelegationTokenResponse,
)
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = ExpireDelegationTokenRequest, range(1, 3)


def handle(request: ExpireDelegationTokenRequest, context: RequestContext) -> ExpireDelegationTokenResponse:
    return ExpireDelegationTokenResponse(error_code=ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
