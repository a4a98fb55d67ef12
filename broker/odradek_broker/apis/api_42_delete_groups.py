"""DeleteGroups (API key 42), versions 0-3: delete empty groups with their offsets, and what they share.

Behaviour
    Groups are decided one by one, each once; the answer comes when the deletions are committed.
    Somebody is in it                NON_EMPTY_GROUP
    Unknown group                    GROUP_ID_NOT_FOUND
Versions
    2 flexible    3 error_message
"""

from __future__ import annotations

from odradek.protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.loop.slices import Slices

REQUEST, VERSIONS = DeleteGroupsRequest, range(4)


async def handle(request: DeleteGroupsRequest, context: RequestContext) -> DeleteGroupsResponse:
    slices, results = Slices(), []
    for group_id in dict.fromkeys(request.groups_names):
        results.append(await _delete(group_id, context))
        await slices.pay()
    return DeleteGroupsResponse(results=results)


async def _delete(group_id: str, context: RequestContext) -> DeletableGroupResult:
    try:
        error = await context.broker.share_membership.delete_state(group_id)
        return DeletableGroupResult(group_id, error) if error else await context.broker.groups.delete(group_id)
    except CoordinatorUnavailable as unavailable:
        return DeletableGroupResult(group_id, unavailable.error_code)
