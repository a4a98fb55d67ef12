"""DescribeClientQuotas (API key 48), versions 0-1: how much clients may ask for, as this broker knows it.

Behaviour
    A type of entity that Kafka has not   UNSUPPORTED_VERSION
    A filter that contradicts itself      INVALID_REQUEST
Versions
    1 flexible
"""

from __future__ import annotations

from functools import partial

from odradek.protocol.messages.describe_client_quotas import DescribeClientQuotasRequest, DescribeClientQuotasResponse
from odradek_broker.apis import RequestContext
from odradek_broker.controller.quotas import describe_client_quotas
from odradek_broker.loop.slices import SLICE

REQUEST, VERSIONS = DescribeClientQuotasRequest, range(2)


async def handle(request: DescribeClientQuotasRequest, context: RequestContext) -> DescribeClientQuotasResponse:
    quotas = context.broker.image.quotas
    if len(quotas) <= SLICE:
        return describe_client_quotas(quotas, request)
    return await context.broker.looks.look(partial(describe_client_quotas, quotas, request))
