"""AlterUserScramCredentials (API key 51), version 0: who can log in with SCRAM, and with which password.

Behaviour
    The controller decides (controller/scram_users.py). No controller answers: REQUEST_TIMED_OUT for each user
"""

from __future__ import annotations

from odradek.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
)
from odradek_broker.apis import RequestContext
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = AlterUserScramCredentialsRequest, range(1)


async def handle(
    request: AlterUserScramCredentialsRequest, context: RequestContext
) -> AlterUserScramCredentialsResponse:
    try:
        return await context.broker.controller.ask(request, AlterUserScramCredentialsResponse, context.version)
    except ControllerUnavailable as error:
        code = error.error_code
        named = [*(each.name for each in request.deletions), *(each.name for each in request.upsertions)]
        return AlterUserScramCredentialsResponse(
            results=[AlterUserScramCredentialsResult(user, code, code.sentence) for user in dict.fromkeys(named)]
        )
