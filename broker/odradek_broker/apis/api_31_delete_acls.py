"""DeleteAcls (API key 31), versions 1-3: take back whatever filters match.

Behaviour
    Filters are answered one by one (controller/acls.py has the rules); a bad one never fails its neighbours.
    No authorizer.class.name         SECURITY_DISABLED for every filter
    The journal cannot be written    KAFKA_STORAGE_ERROR for every filter, and nothing is changed
    No controller answers            REQUEST_TIMED_OUT likewise
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.delete_acls import DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse
from odradek_broker.apis import RequestContext
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = DeleteAclsRequest, range(1, 4)


async def handle(request: DeleteAclsRequest, context: RequestContext) -> DeleteAclsResponse:
    if context.broker.authorizer is None:
        return _refused(request, ErrorCode.SECURITY_DISABLED, ErrorCode.SECURITY_DISABLED.sentence)
    try:
        return await context.broker.controller.ask(request, DeleteAclsResponse, context.version)
    except ControllerUnavailable as error:
        return _refused(request, error.error_code, str(error))


def _refused(request: DeleteAclsRequest, error: ErrorCode, message: str) -> DeleteAclsResponse:
    result = DeleteAclsFilterResult(error_code=error, error_message=message)
    return DeleteAclsResponse(filter_results=[result for _ in request.filters])
