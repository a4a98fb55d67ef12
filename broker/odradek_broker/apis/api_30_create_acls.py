"""CreateAcls (API key 30), versions 1-3: access control, of which there is none.

Behaviour
    SECURITY_DISABLED for every entry, as a broker of Kafka's answers that has no authorizer.
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_acls import AclCreationResult, CreateAclsRequest, CreateAclsResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = CreateAclsRequest, range(1, 4)


def handle(request: CreateAclsRequest, context: RequestContext) -> CreateAclsResponse:
    error = ErrorCode.SECURITY_DISABLED
    result = AclCreationResult(error_code=error, error_message=error.sentence)
    return CreateAclsResponse(results=[result for _ in request.creations])
