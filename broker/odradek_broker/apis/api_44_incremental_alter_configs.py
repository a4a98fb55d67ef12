"""IncrementalAlterConfigs (API key 44), versions 0-1: change single keys of topics and brokers (KIP-339).

Behaviour
    Resources are decided one by one (controller/configs.py has the rules); a bad one never fails its neighbours.
    The journal cannot be written    KAFKA_STORAGE_ERROR for every resource, and nothing is changed
    No controller answers            REQUEST_TIMED_OUT likewise
Versions
    1 flexible
"""

from __future__ import annotations

from odradek.protocol.messages.incremental_alter_configs import (
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.runtime.controller_client import ControllerUnavailable

REQUEST, VERSIONS = IncrementalAlterConfigsRequest, range(2)


async def handle(request: IncrementalAlterConfigsRequest, context: RequestContext) -> IncrementalAlterConfigsResponse:
    try:
        return await context.broker.controller.ask(request, IncrementalAlterConfigsResponse, context.version)
    except ControllerUnavailable as error:
        return IncrementalAlterConfigsResponse(
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
