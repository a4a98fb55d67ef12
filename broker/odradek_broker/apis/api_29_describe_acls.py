"""DescribeAcls (API key 29), versions 1-3: the ACLs that match a filter, as this broker knows them.

Behaviour
    No authorizer.class.name     SECURITY_DISABLED
    A filter with unknown parts  INVALID_REQUEST
"""

from __future__ import annotations

from functools import partial

from odradek.protocol.acl import Acl
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_acls import (
    AclDescription,
    DescribeAclsRequest,
    DescribeAclsResource,
    DescribeAclsResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.loop.slices import SLICE
from odradek_broker.security.acl_filter import AclFilter
from odradek_broker.security.acl_index import AclIndex

REQUEST, VERSIONS = DescribeAclsRequest, range(1, 4)


async def handle(request: DescribeAclsRequest, context: RequestContext) -> DescribeAclsResponse:
    if context.broker.authorizer is None:
        error = ErrorCode.SECURITY_DISABLED
        return DescribeAclsResponse(error_code=error, error_message=error.sentence)
    chosen = AclFilter(
        request.resource_type_filter,
        request.resource_name_filter,
        request.pattern_type_filter,
        request.principal_filter,
        request.host_filter,
        request.operation,
        request.permission_type,
    )
    wrong = chosen.refuse()
    if wrong is not None:
        return DescribeAclsResponse(error_code=ErrorCode.INVALID_REQUEST, error_message=wrong)
    acls = context.broker.image.acls
    if len(acls) <= SLICE:
        return _describe(acls, chosen)
    return await context.broker.looks.look(partial(_describe, acls, chosen))


def _describe(acls: AclIndex, chosen: AclFilter) -> DescribeAclsResponse:
    by_resource: dict[tuple[int, str, int], list[Acl]] = {}
    for _, acl in chosen.select(acls.by_id.items()):
        by_resource.setdefault((acl.resource_type, acl.resource_name, acl.pattern_type), []).append(acl)
    return DescribeAclsResponse(
        error_message=None,
        resources=[
            DescribeAclsResource(
                *resource,
                acls=[AclDescription(each.principal, each.host, each.operation, each.permission) for each in found],
            )
            for resource, found in by_resource.items()
        ],
    )
