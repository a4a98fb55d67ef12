"""AlterConfigs (API key 33), versions 0-2: replace the whole configuration of topics and brokers.

Behaviour
    Resources are decided one by one (controller/configs.py has the rules); a bad one never fails its neighbours.
    Certificates of this broker's listeners are looked at first, as by IncrementalAlterConfigs.
    What the request does not name returns to its default: newer clients send IncrementalAlterConfigs instead.
    The journal cannot be written    KAFKA_STORAGE_ERROR for every resource, and nothing is changed
    No controller answers            REQUEST_TIMED_OUT likewise
Versions
    2 flexible
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from odradek.protocol.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.apis.own_certificates import refuse_bad_certificates
from odradek_broker.controller.image import ResourceType
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = AlterConfigsRequest, range(3)


async def handle(request: AlterConfigsRequest, context: RequestContext) -> AlterConfigsResponse:
    answers, others = [], []
    for each in request.resources:
        refused = await _look_at_certificates(each, context) if each.resource_type == ResourceType.BROKER else None
        answers += [refused] if refused else []
        others += [] if refused else [each]
    if others or not answers:
        answers += await _ask_controller(structs.replace(request, resources=others), context)
    return AlterConfigsResponse(responses=answers)


async def _look_at_certificates(
    resource: AlterConfigsResource, context: RequestContext
) -> AlterConfigsResourceResponse | None:
    """The refusal, where there is one."""
    values = {change.name: change.value for change in resource.configs if change.value is not None}
    try:
        await refuse_bad_certificates(resource.resource_name, values, context)
    except ApiError as refusal:
        return _answer(resource, refusal.error_code, refusal.message)
    return None


async def _ask_controller(
    request: AlterConfigsRequest, context: RequestContext
) -> Sequence[AlterConfigsResourceResponse]:
    try:
        return (await context.broker.controller.ask(request, AlterConfigsResponse, context.version)).responses
    except ControllerUnavailable as error:
        return [_answer(resource, error.error_code, str(error)) for resource in request.resources]


def _answer(resource: AlterConfigsResource, error: int, message: str | None) -> AlterConfigsResourceResponse:
    return AlterConfigsResourceResponse(error, message, resource.resource_type, resource.resource_name)
