"""DescribeDelegationToken (API key 41), versions 1-3: which tokens there are.

Behaviour
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as a broker of Kafka's answers to a client that has not logged in.
Versions
    2 flexible    3 the requester's principal (KIP-373)
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_delegation_token import (
    DescribeDelegationTokenRequest,
    DescribeDelegationTokenResponse,
)
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = DescribeDelegationTokenRequest, range(1, 4)


def handle(request: DescribeDelegationTokenRequest, context: RequestContext) -> DescribeDelegationTokenResponse:
    return DescribeDelegationTokenResponse(error_code=ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
