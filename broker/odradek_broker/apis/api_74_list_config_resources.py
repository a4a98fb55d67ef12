"""ListConfigResources (API key 74), versions 0-1: what has a configuration (KIP-1142).

Behaviour
    Version 0 asks for client metrics only, of which there are none.
    No types given                   every type; a type that does not exist: UNSUPPORTED_VERSION
Versions
    1 resource types
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.list_config_resources import (
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.controller.image import ResourceType

REQUEST, VERSIONS = ListConfigResourcesRequest, range(2)


def handle(request: ListConfigResourcesRequest, context: RequestContext) -> ListConfigResourcesResponse:
    image = context.broker.image
    wanted = set(request.resource_types or ResourceType) if context.version >= 1 else {ResourceType.CLIENT_METRICS}
    if not wanted <= set(ResourceType):
        return ListConfigResourcesResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    names: dict[ResourceType, list[str]] = {
        ResourceType.TOPIC: list(image.topics),
        ResourceType.BROKER: [str(broker_id) for broker_id in sorted(image.brokers)],
        ResourceType.GROUP: sorted(name for kind, name in image.configs if kind == ResourceType.GROUP),
    }
    return ListConfigResourcesResponse(
        config_resources=[
            ConfigResource(resource_name=name, resource_type=kind)
            for kind, resources in names.items()
            if kind in wanted
            for name in resources
        ]
    )
