"""AlterUserScramCredentials (API key 51), version 0: who can log in with SCRAM, and with which password.

Behaviour
    The controller decides (controller/scram_users.py). No controller answers: REQUEST_TIMED_OUT for each user
    A user as whom brokers or super users come, where there is no authorizer, or everybody may what no ACL speaks of:
    CLUSTER_AUTHORIZATION_FAILED to whoever is none of them. Else anybody could make themselves a broker.
"""

from __future__ import annotations

from msgspec import structs

from odradek.protocol.acl import Operation
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
)
from odradek_broker.apis import RequestContext
from odradek_broker.metadata.client import ControllerUnavailable
from odradek_broker.security.principal import USER, Principal

REQUEST, VERSIONS = AlterUserScramCredentialsRequest, range(1)
OF_A_BROKER = (
    "brokers or super users come as that user: only they change its password, while everybody may do everything"
)


async def handle(
    request: AlterUserScramCredentialsRequest, context: RequestContext
) -> AlterUserScramCredentialsResponse:
    kept = {user for user in _named(request) if context.makes_broker(Principal(USER, user), Operation.ALTER)}
    refused = [_refused(user, ErrorCode.CLUSTER_AUTHORIZATION_FAILED, OF_A_BROKER) for user in sorted(kept)]
    asked = structs.replace(
        request,
        deletions=[each for each in request.deletions if each.name not in kept],
        upsertions=[each for each in request.upsertions if each.name not in kept],
    )
    try:
        answer = await context.broker.controller.ask(asked, AlterUserScramCredentialsResponse, context.version)
        return structs.replace(answer, results=[*answer.results, *refused])
    except ControllerUnavailable as error:
        code = error.error_code
        results = [*(_refused(user, code, code.sentence) for user in _named(asked)), *refused]
        return AlterUserScramCredentialsResponse(results=results)


def _named(request: AlterUserScramCredentialsRequest) -> dict[str, None]:
    """Users, each once."""
    return dict.fromkeys([*(each.name for each in request.deletions), *(each.name for each in request.upsertions)])


def _refused(user: str, error: ErrorCode, why: str) -> AlterUserScramCredentialsResult:
    return AlterUserScramCredentialsResult(user, error, why)
