"""AlterConfigs (API key 33), versions 0-2: replace the whole configuration of topics and brokers.

Behaviour
    Resources are decided one by one (controller/configs.py has the rules); a bad one never fails its neighbours.
    What the request does not name returns to its default: newer clients send IncrementalAlterConfigs instead.
    The journal cannot be written    KAFKA_STORAGE_ERROR for every resource, and nothing is changed
    No controller answers            REQUEST_TIMED_OUT likewise
Versions
    2 flexible
"""

from __future__ import annotations

from odradek.protocol.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = AlterConfigsRequest, range(3)


async def handle(request: AlterConfigsRequest, context: RequestContext) -> AlterConfigsResponse:
    try:
        return await context.broker.controller.ask(request, AlterConfigsResponse, context.version)
    except ControllerUnavailable as error:
        return AlterConfigsResponse(
            responses=[
                AlterConfigsResourceResponse(
                    error_code=error.error_code,
                    error_message=str(error),
                    resource_type=resource.resource_type,
                    resource_name=resource.resource_name,
                )
                for resource in request.resources
            ]
        )
