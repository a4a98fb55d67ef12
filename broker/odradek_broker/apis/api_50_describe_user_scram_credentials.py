"""DescribeUserScramCredentials (API key 50), version 0: which users can log in with SCRAM.

Behaviour
    Nobody named                     everybody
    A user that there is not         RESOURCE_NOT_FOUND, and DUPLICATE_RESOURCE where one is named twice
    No key of anybody is told.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_user_scram_credentials import (
    CredentialInfo,
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = DescribeUserScramCredentialsRequest, range(1)


def handle(
    request: DescribeUserScramCredentialsRequest, context: RequestContext
) -> DescribeUserScramCredentialsResponse:
    known: dict[str, list[CredentialInfo]] = defaultdict(list)
    for (mechanism, user), keys in sorted(context.broker.image.scram.items()):
        known[user].append(CredentialInfo(mechanism, keys.iterations))
    named = Counter(user.name for user in request.users or ()) or Counter(known.keys())
    return DescribeUserScramCredentialsResponse(
        error_message=None, results=[_result(name, times, known.get(name, [])) for name, times in named.items()]
    )


def _result(name: str, times: int, infos: list[CredentialInfo]) -> DescribeUserScramCredentialsResult:
    if times > 1:
        why = f"Cannot describe SCRAM credentials for the same user twice in a single request: {name}"
        return DescribeUserScramCredentialsResult(name, ErrorCode.DUPLICATE_RESOURCE, why)
    if not infos:
        why = f"Attempt to describe a user credential that does not exist: {name}"
        return DescribeUserScramCredentialsResult(name, ErrorCode.RESOURCE_NOT_FOUND, why)
    return DescribeUserScramCredentialsResult(name, error_message=None, credential_infos=infos)
