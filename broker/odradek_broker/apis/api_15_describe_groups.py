"""DescribeGroups (API key 15), versions 0-6: ask for state and members of groups (classic protocol).

Behaviour
    Unknown group, or one of another kind    state Dead, without an error; from version 6 on GROUP_ID_NOT_FOUND
    Metadata and assignments of the members are shown while the group is stable.
Versions
    1 throttle_time_ms    3 authorized operations    4 group_instance_id    5 flexible    6 error_message
"""

from __future__ import annotations

from msgspec import structs

from odradek.protocol.messages.describe_groups import DescribedGroup, DescribeGroupsRequest, DescribeGroupsResponse
from odradek_broker.apis import RequestContext
from odradek_broker.apis.operations import GROUP_OPERATIONS
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.loop.slices import Slices

REQUEST, VERSIONS = DescribeGroupsRequest, range(7)


async def handle(request: DescribeGroupsRequest, context: RequestContext) -> DescribeGroupsResponse:
    slices, groups = Slices(), []
    for group_id in request.groups:
        groups.append(await _describe(group_id, context))
        await slices.pay(1 + len(groups[-1].members))
    if request.include_authorized_operations:
        groups = [
            each if each.error_code else structs.replace(each, authorized_operations=GROUP_OPERATIONS)
            for each in groups
        ]
    return DescribeGroupsResponse(groups=groups)


async def _describe(group_id: str, context: RequestContext) -> DescribedGroup:
    try:
        return await context.broker.groups.describe(group_id, context.version)
    except CoordinatorUnavailable as unavailable:
        return DescribedGroup(error_code=unavailable.error_code, group_id=group_id)
