"""ExpireDelegationToken (API key 40), versions 1-2: end a token, or say when it ends.

Behaviour
    Who may ask at all               delegation_tokens.py
    All else                         the controller decides (controller/delegation_tokens.py)
Versions
    2 flexible
"""

from __future__ import annotations

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.expire_delegation_token import (
    ExpireDelegationTokenRequest,
    ExpireDelegationTokenResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.apis.delegation_tokens import decided
from odradek_broker.controller.delegation_tokens import NEVER_MS, ExpireTokenRequest

REQUEST, VERSIONS = ExpireDelegationTokenRequest, range(1, 3)


async def handle(request: ExpireDelegationTokenRequest, context: RequestContext) -> ExpireDelegationTokenResponse:
    asked = ExpireTokenRequest(**structs.asdict(request), requester=str(context.caller.principal))
    return await decided(asked, context, ExpireDelegationTokenResponse, _refused)


def _refused(error: ErrorCode) -> ExpireDelegationTokenResponse:
    return ExpireDelegationTokenResponse(error_code=error, expiry_timestamp_ms=NEVER_MS)
