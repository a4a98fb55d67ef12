"""ListGroups (API key 16), versions 0-5: list the groups that this broker coordinates.

Behaviour
    Filters name states (version 4 on) and types (version 5 on), in any case; an empty filter lets everything through.
    Some groups are still being read    COORDINATOR_LOAD_IN_PROGRESS, with those that are known
Versions
    1 throttle_time_ms    3 flexible    4 states    5 types
"""

from __future__ import annotations

from odradek.protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = ListGroupsRequest, range(6)


async def handle(request: ListGroupsRequest, context: RequestContext) -> ListGroupsResponse:
    error, groups = await context.broker.groups.list_groups(request.states_filter, request.types_filter)
    return ListGroupsResponse(error_code=error, groups=groups)
