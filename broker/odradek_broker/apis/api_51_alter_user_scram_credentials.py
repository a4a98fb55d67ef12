"""AlterUserScramCredentials (API key 51), version 0: who can log in with SCRAM.

Behaviour
    A deletion                       RESOURCE_NOT_FOUND: there are no users
    Anything else                    UNSUPPORTED_SASL_MECHANISM and a sentence: what nobody asks for is not written down
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
)
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = AlterUserScramCredentialsRequest, range(1)


def handle(request: AlterUserScramCredentialsRequest, context: RequestContext) -> AlterUserScramCredentialsResponse:
    no_logins = (ErrorCode.UNSUPPORTED_SASL_MECHANISM, "this broker asks nobody to log in, so no credentials are kept")
    no_user = (ErrorCode.RESOURCE_NOT_FOUND, "there is no such user")
    answers = {deletion.name: no_user for deletion in request.deletions}
    answers |= {upsertion.name: no_logins for upsertion in request.upsertions}
    return AlterUserScramCredentialsResponse(
        results=[AlterUserScramCredentialsResult(name, *answer) for name, answer in answers.items()]
    )
