"""AlterClientQuotas (API key 49), versions 0-1: how much clients may ask for.

Behaviour
    Every entry is refused with INVALID_REQUEST and a sentence: what would not be kept to is not written down.
Versions
    1 flexible
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasResponse,
    AlterClientQuotasResponseEntryData,
)
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = AlterClientQuotasRequest, range(2)

NO_QUOTAS = "this broker holds nobody to a quota, so none is kept"


def handle(request: AlterClientQuotasRequest, context: RequestContext) -> AlterClientQuotasResponse:
    return AlterClientQuotasResponse(
        entries=[
            AlterClientQuotasResponseEntryData(ErrorCode.INVALID_REQUEST, NO_QUOTAS, entry.entity)
            for entry in request.entries
        ]
    )
