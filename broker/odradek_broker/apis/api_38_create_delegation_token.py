"""CreateDelegationToken (API key 38), versions 1-3: make a token to log in with.

Behaviour
    Who may ask at all                       delegation_tokens.py
    A token of somebody else, without CreateTokens on that User    DELEGATION_TOKEN_AUTHORIZATION_FAILED
    A token of a broker, asked for by nobody in particular         the same
    All else                                 the controller decides (controller/delegation_tokens.py)
Versions
    2 flexible    3 the owner, where that is not who asks (KIP-373)
"""

from __future__ import annotations

from functools import partial

from msgspec import structs

from odradek.protocol.acl import Operation, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_delegation_token import (
    CreateDelegationTokenRequest,
    CreateDelegationTokenResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.apis.delegation_tokens import decided, may_ask
from odradek_broker.controller.delegation_tokens import CreateTokenRequest, no_token, owner_of

REQUEST, VERSIONS = CreateDelegationTokenRequest, range(1, 4)


async def handle(request: CreateDelegationTokenRequest, context: RequestContext) -> CreateDelegationTokenResponse:
    requester = context.caller.principal
    owner = owner_of(request, requester)
    refuse = partial(no_token, owner, requester)
    permission = (Operation.CREATE_TOKENS, ResourceType.USER, str(owner))
    is_for_another = owner != requester and may_ask(context)
    if is_for_another and (not context.may(*permission) or context.makes_broker(owner, *permission)):
        return refuse(ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED)
    asked = CreateTokenRequest(**structs.asdict(request), requester=str(requester))
    return await decided(asked, context, CreateDelegationTokenResponse, refuse)
