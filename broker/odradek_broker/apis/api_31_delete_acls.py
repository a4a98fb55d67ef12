"""DeleteAcls (API key 31), versions 1-3: access control, of which there is none.

Behaviour
    SECURITY_DISABLED for every filter, as a broker of Kafka's answers that has no authorizer.
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.delete_acls import DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = DeleteAclsRequest, range(1, 4)


def handle(request: DeleteAclsRequest, context: RequestContext) -> DeleteAclsResponse:
    error = ErrorCode.SECURITY_DISABLED
    result = DeleteAclsFilterResult(error_code=error, error_message=error.sentence)
    return DeleteAclsResponse(filter_results=[result for _ in request.filters])
