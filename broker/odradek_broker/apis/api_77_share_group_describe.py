"""ShareGroupDescribe (API key 77), version 1: ask for state and members of share groups (KIP-932).

Behaviour
    The cluster has not agreed on it (feature share.version)    UNSUPPORTED_VERSION
    No group id                              INVALID_GROUP_ID
    No such group, or one of another kind    GROUP_ID_NOT_FOUND, with a message
"""

from __future__ import annotations

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_group_describe import (
    DescribedGroup,
    ShareGroupDescribeRequest,
    ShareGroupDescribeResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.apis.operations import GROUP_OPERATIONS
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.loop.slices import Slices

REQUEST, VERSIONS = ShareGroupDescribeRequest, range(1, 2)


async def handle(request: ShareGroupDescribeRequest, context: RequestContext) -> ShareGroupDescribeResponse:
    slices, groups = Slices(), []
    for group_id in request.group_ids:
        groups.append(await _describe(group_id, request, context))
        await slices.pay(1 + len(groups[-1].members))
    return ShareGroupDescribeResponse(groups=groups)


async def _describe(group_id: str, request: ShareGroupDescribeRequest, context: RequestContext) -> DescribedGroup:
    if not context.broker.sharing.is_enabled:
        return DescribedGroup(error_code=ErrorCode.UNSUPPORTED_VERSION, group_id=group_id)
    if not group_id:
        return DescribedGroup(error_code=ErrorCode.INVALID_GROUP_ID)
    try:
        described = await context.broker.share_membership.describe(group_id)
    except CoordinatorUnavailable as unavailable:
        return DescribedGroup(error_code=unavailable.error_code, group_id=group_id)
    if described.error_code or not request.include_authorized_operations:
        return described
    return structs.replace(described, authorized_operations=GROUP_OPERATIONS)
