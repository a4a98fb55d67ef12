"""DescribeDelegationToken (API key 41), versions 1-3: which tokens there are, with what is needed to log in by them.

Behaviour
    Who may ask at all               delegation_tokens.py
    No delegation.token.secret.key   DELEGATION_TOKEN_AUTH_DISABLED
    Owners                           null for all tokens; else those that concern one of these. None named: no token
    What is told                     tokens that concern the asker as owner, requester or renewer; else those open by
                                     Describe on the DelegationToken, or by DescribeTokens on the User who owns it
    A token whose time is over is told until the controller has forgotten it.
Versions
    2 flexible    3 the requester's principal (KIP-373)
"""

from __future__ import annotations

from functools import partial

from odradek.protocol.acl import Operation, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_delegation_token import (
    DescribedDelegationToken,
    DescribedDelegationTokenRenewer,
    DescribeDelegationTokenRequest,
    DescribeDelegationTokenResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.apis.delegation_tokens import may_ask
from odradek_broker.loop.slices import SLICE
from odradek_broker.security.delegation import DelegationToken, hmac_of
from odradek_broker.security.principal import Principal

REQUEST, VERSIONS = DescribeDelegationTokenRequest, range(1, 4)


async def handle(request: DescribeDelegationTokenRequest, context: RequestContext) -> DescribeDelegationTokenResponse:
    if not may_ask(context):
        return DescribeDelegationTokenResponse(error_code=ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
    secret = context.broker.config.delegation_token_secret
    if not secret:
        return DescribeDelegationTokenResponse(error_code=ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED)
    work = partial(_describe, request, context, secret, list(context.broker.image.tokens.values()))
    is_long = len(context.broker.image.tokens) * (1 + len(request.owners or ())) > SLICE
    tokens = await context.broker.looks.look(work) if is_long else work()
    return DescribeDelegationTokenResponse(tokens=tokens)


def _describe(
    request: DescribeDelegationTokenRequest, context: RequestContext, secret: str, tokens: list[DelegationToken]
) -> list[DescribedDelegationToken]:
    named = request.owners
    owners = None if named is None else {Principal(each.principal_type, each.principal_name) for each in named}
    return [
        _described(token, secret)
        for token in tokens
        if (owners is None or any(map(token.concerns, owners))) and _may_know(token, context)
    ]


def _may_know(token: DelegationToken, context: RequestContext) -> bool:
    return (
        token.concerns(context.caller.principal)
        or context.may(Operation.DESCRIBE, ResourceType.DELEGATION_TOKEN, token.token_id, quietly=True)
        or context.may(Operation.DESCRIBE_TOKENS, ResourceType.USER, str(token.owner), quietly=True)
    )


def _described(token: DelegationToken, secret: str) -> DescribedDelegationToken:
    return DescribedDelegationToken(
        principal_type=token.owner.type,
        principal_name=token.owner.name,
        token_requester_principal_type=token.requester.type,
        token_requester_principal_name=token.requester.name,
        issue_timestamp=token.issued_ms,
        expiry_timestamp=token.expires_ms,
        max_timestamp=token.max_ms,
        token_id=token.token_id,
        hmac=hmac_of(secret, token.token_id),
        renewers=[DescribedDelegationTokenRenewer(each.type, each.name) for each in token.renewers],
    )
