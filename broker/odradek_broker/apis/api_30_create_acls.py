"""CreateAcls (API key 30), versions 1-3: allow or prohibit something.

Behaviour
    Entries are decided one by one (controller/acls.py has the rules); a bad one never fails its neighbours.
    No authorizer.class.name         SECURITY_DISABLED for every entry: what nobody would keep to is not written down
    The journal cannot be written    KAFKA_STORAGE_ERROR for every entry, and nothing is changed
    No controller answers            REQUEST_TIMED_OUT likewise
    Once it is answered this broker keeps to it; the others do as soon as they hear of it.
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_acls import AclCreationResult, CreateAclsRequest, CreateAclsResponse
from odradek_broker.apis import RequestContext
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = CreateAclsRequest, range(1, 4)


async def handle(request: CreateAclsRequest, context: RequestContext) -> CreateAclsResponse:
    if context.broker.authorizer is None:
        return _refused(request, ErrorCode.SECURITY_DISABLED, ErrorCode.SECURITY_DISABLED.sentence)
    try:
        return await context.broker.controller.ask(request, CreateAclsResponse, context.version)
    except ControllerUnavailable as error:
        return _refused(request, error.error_code, str(error))


def _refused(request: CreateAclsRequest, error: ErrorCode, message: str) -> CreateAclsResponse:
    result = AclCreationResult(error_code=error, error_message=message)
    return CreateAclsResponse(results=[result for _ in request.creations])
