"""AlterClientQuotas (API key 49), versions 0-1: say how much clients may ask for.

Behaviour
    Entities are decided one by one (controller/quotas.py has the rules); a bad one never fails its neighbours.
    The journal cannot be written    KAFKA_STORAGE_ERROR for every entity, and nothing is changed
    No controller answers            REQUEST_TIMED_OUT likewise
Versions
    1 flexible
"""

from __future__ import annotations

from odradek.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasResponse,
    AlterClientQuotasResponseEntryData,
)
from odradek_broker.apis import RequestContext
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = AlterClientQuotasRequest, range(2)


async def handle(request: AlterClientQuotasRequest, context: RequestContext) -> AlterClientQuotasResponse:
    try:
        return await context.broker.controller.ask(request, AlterClientQuotasResponse, context.version)
    except ControllerUnavailable as error:
        return AlterClientQuotasResponse(
            entries=[
                AlterClientQuotasResponseEntryData(error.error_code, str(error), entry.entity)
                for entry in request.entries
            ]
        )
