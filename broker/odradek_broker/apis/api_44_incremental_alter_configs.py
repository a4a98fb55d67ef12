"""IncrementalAlterConfigs (API key 44), versions 0-1: change single keys of topics and brokers (KIP-339).

Behaviour
    Resources are decided one by one (controller/configs.py has the rules); a bad one never fails its neighbours.
    The journal cannot be written    KAFKA_STORAGE_ERROR for every resource, and nothing is changed
Versions
    1 flexible
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.incremental_alter_configs import (
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.runtime.controller import JournalUnavailable

REQUEST, VERSIONS = IncrementalAlterConfigsRequest, range(2)


async def handle(request: IncrementalAlterConfigsRequest, context: RequestContext) -> IncrementalAlterConfigsResponse:
    try:
        return await context.broker.controller.incremental_alter_configs(request)
    except JournalUnavailable as error:
        return IncrementalAlterConfigsResponse(
            responses=[
                AlterConfigsResourceResponse(
                    error_code=ErrorCode.KAFKA_STORAGE_ERROR,
                    error_message=str(error),
                    resource_type=resource.resource_type,
                    resource_name=resource.resource_name,
                )
                for resource in request.resources
            ]
        )
