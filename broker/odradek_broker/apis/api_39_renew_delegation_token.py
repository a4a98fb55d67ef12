"""RenewDelegationToken (API key 39), versions 1-2: let a token live longer.

Behaviour
    Who may ask at all               delegation_tokens.py
    All else                         the controller decides (controller/delegation_tokens.py)
Versions
    2 flexible
"""

from __future__ import annotations

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.renew_delegation_token import RenewDelegationTokenRequest, RenewDelegationTokenResponse
from odradek_broker.apis import RequestContext
from odradek_broker.apis.delegation_tokens import decided
from odradek_broker.controller.delegation_tokens import NEVER_MS, RenewTokenRequest

REQUEST, VERSIONS = RenewDelegationTokenRequest, range(1, 3)


async def handle(request: RenewDelegationTokenRequest, context: RequestContext) -> RenewDelegationTokenResponse:
    asked = RenewTokenRequest(**structs.asdict(request), requester=str(context.caller.principal))
    return await decided(asked, context, RenewDelegationTokenResponse, _refused)


def _refused(error: ErrorCode) -> RenewDelegationTokenResponse:
    return RenewDelegationTokenResponse(error_code=error, expiry_timestamp_ms=NEVER_MS)
