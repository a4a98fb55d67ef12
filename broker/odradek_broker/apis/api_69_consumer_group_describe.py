"""ConsumerGroupDescribe (API key 69), versions 0-1: ask for state and members of groups of the consumer protocol.

Behaviour
    The cluster has not agreed on it (feature group.version), or this broker leaves it out
    (group.coordinator.rebalance.protocols)    UNSUPPORTED_VERSION
    No group id                              INVALID_GROUP_ID
    No such group, or one of another kind    GROUP_ID_NOT_FOUND, with a message
Versions
    1 member_type
"""

from __future__ import annotations

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_describe import (
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
)
from odradek_broker.apis import RequestContext
from odradek_broker.apis.operations import GROUP_OPERATIONS
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.loop.slices import Slices

REQUEST, VERSIONS = ConsumerGroupDescribeRequest, range(2)


async def handle(request: ConsumerGroupDescribeRequest, context: RequestContext) -> ConsumerGroupDescribeResponse:
    slices, groups = Slices(), []
    for group_id in request.group_ids:
        groups.append(await _describe(group_id, request, context))
        await slices.pay(1 + len(groups[-1].members))
    return ConsumerGroupDescribeResponse(groups=groups)


async def _describe(group_id: str, request: ConsumerGroupDescribeRequest, context: RequestContext) -> DescribedGroup:
    if not context.broker.groups.takes_consumer_protocol:
        return DescribedGroup(error_code=ErrorCode.UNSUPPORTED_VERSION, group_id=group_id)
    if not group_id:
        return DescribedGroup(error_code=ErrorCode.INVALID_GROUP_ID)
    try:
        described = await context.broker.groups.describe_consumer_group(group_id)
    except CoordinatorUnavailable as unavailable:
        return DescribedGroup(error_code=unavailable.error_code, group_id=group_id)
    if described.error_code or not request.include_authorized_operations:
        return described
    return structs.replace(described, authorized_operations=GROUP_OPERATIONS)
