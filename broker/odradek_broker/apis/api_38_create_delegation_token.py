"""CreateDelegationToken (API key 38), versions 1-3: make a token to log in with.

Behaviour
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as a broker of Kafka's answers to a client that has not logged in.
Versions
    2 flexible    3 the requester's principal (KIP-373)
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_delegation_token import (
    CreateDelegationTokenRequest,
    CreateDelegationTokenResponse,
)
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = CreateDelegationTokenRequest, range(1, 4)


def handle(request: CreateDelegationTokenRequest, context: RequestContext) -> CreateDelegationTokenResponse:
    return CreateDelegationTokenResponse(error_code=ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
