"""DescribeUserScramCredentials (API key 50), version 0: which users can log in with SCRAM.

Behaviour
    Nobody named                     everybody
    A user that there is not         RESOURCE_NOT_FOUND, and DUPLICATE_RESOURCE where one is named twice
    No key of anybody is told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import partial
from operator import itemgetter

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_user_scram_credentials import (
    CredentialInfo,
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)
from odradek.protocol.sasl.scram import ScramKeys
from odradek_broker.apis import RequestContext
from odradek_broker.loop.slices import SLICE

REQUEST, VERSIONS = DescribeUserScramCredentialsRequest, range(1)


async def handle(
    request: DescribeUserScramCredentialsRequest, context: RequestContext
) -> DescribeUserScramCredentialsResponse:
    scram = context.broker.image.scram
    if len(scram) + len(request.users or ()) <= SLICE:
        return _describe(scram, request)
    return await context.broker.looks.look(partial(_describe, scram, request))


def _describe(
    scram: Mapping[tuple[int, str], ScramKeys], request: DescribeUserScramCredentialsRequest
) -> DescribeUserScramCredentialsResponse:
    known: dict[str, list[CredentialInfo]] = defaultdict(list)
    for (mechanism, user), keys in sorted(scram.items(), key=itemgetter(0)):
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
