"""DescribeGroupHistory (API key 20005, Odradek's own), version 0: the last rebalances of a group, and who caused each.

Behaviour
    Unknown group       GROUP_ID_NOT_FOUND
    The coordinator remembers what has happened since it is the group's coordinator, and no more than the last ones.
    Advertised to Odradek's own client alone.
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_group_history import (
    DescribedRebalance,
    DescribeGroupHistoryRequest,
    DescribeGroupHistoryResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.groups.history import Rebalance

REQUEST, VERSIONS = DescribeGroupHistoryRequest, range(1)
FOR_OWN_CLIENTS = True


async def handle(request: DescribeGroupHistoryRequest, context: RequestContext) -> DescribeGroupHistoryResponse:
    try:
        found = await context.broker.groups.rebalances(request.group_id)
    except CoordinatorUnavailable as unavailable:
        return DescribeGroupHistoryResponse(error_code=unavailable.error_code)
    if found is None:
        return DescribeGroupHistoryResponse(error_code=ErrorCode.GROUP_ID_NOT_FOUND)
    return DescribeGroupHistoryResponse(rebalances=[_described(each) for each in found])


def _described(rebalance: Rebalance) -> DescribedRebalance:
    cause = rebalance.cause
    return DescribedRebalance(
        generation=rebalance.generation,
        began_ms=rebalance.began_ms,
        took_ms=rebalance.took_ms,
        cause=cause.what,
        member_id=cause.member_id,
        client_id=cause.client_id,
        client_host=cause.client_host,
        members=rebalance.member_count,
    )
