"""DescribeAcls (API key 29), versions 1-3: access control, of which there is none.

Behaviour
    SECURITY_DISABLED, as a broker of Kafka's answers that has no authorizer.
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = DescribeAclsRequest, range(1, 4)


def handle(request: DescribeAclsRequest, context: RequestContext) -> DescribeAclsResponse:
    error = ErrorCode.SECURITY_DISABLED
    return DescribeAclsResponse(error_code=error, error_message=error.sentence)
