"""DescribeClientQuotas (API key 48), versions 0-1: how much clients may ask for.

Behaviour
    There are none: nobody is held to any.
    A type of entity that Kafka has not   UNSUPPORTED_VERSION
Versions
    1 flexible
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_client_quotas import DescribeClientQuotasRequest, DescribeClientQuotasResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = DescribeClientQuotasRequest, range(2)

_ENTITIES = {"user", "client-id", "ip"}


def handle(request: DescribeClientQuotasRequest, context: RequestContext) -> DescribeClientQuotasResponse:
    for component in request.components:
        if component.entity_type not in _ENTITIES:
            return DescribeClientQuotasResponse(
                error_code=ErrorCode.UNSUPPORTED_VERSION,
                error_message=f"there are no entities of the type {component.entity_type!r}",
                entries=None,
            )
    return DescribeClientQuotasResponse(error_message=None)
