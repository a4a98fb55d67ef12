"""RenewDelegationToken (API key 39), versions 1-2: let a token live longer.

Behaviour
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as a broker of Kafka's answers to a client that has not logged in.
Versions
    2 flexible
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.renew_delegation_token import RenewDelegationTokenRequest, RenewDelegationTokenResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = RenewDelegationTokenRequest, range(1, 3)


def handle(request: RenewDelegationTokenRequest, context: RequestContext) -> RenewDelegationTokenResponse:
    return RenewDelegationTokenResponse(error_code=ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
