"""DescribeUserScramCredentials (API key 50), version 0: which users can log in with SCRAM.

Behaviour
    There are none. A user that is named   RESOURCE_NOT_FOUND, and DUPLICATE_RESOURCE where it is named twice
"""

from __future__ import annotations

from collections import Counter

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = DescribeUserScramCredentialsRequest, range(1)


def handle(
    request: DescribeUserScramCredentialsRequest, context: RequestContext
) -> DescribeUserScramCredentialsResponse:
    named = Counter(user.name for user in request.users or ())
    return DescribeUserScramCredentialsResponse(
        error_message=None, results=[_result(name, times) for name, times in named.items()]
    )


def _result(name: str, times: int) -> DescribeUserScramCredentialsResult:
    if times > 1:
        return DescribeUserScramCredentialsResult(name, ErrorCode.DUPLICATE_RESOURCE, "the user is named twice")
    return DescribeUserScramCredentialsResult(name, ErrorCode.RESOURCE_NOT_FOUND, f"there is no user {name!r}")
