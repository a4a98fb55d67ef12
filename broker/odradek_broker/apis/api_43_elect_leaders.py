"""ElectLeaders (API key 43), versions 0-2: let the preferred replica lead again, or any replica at all.

Behaviour
    Partitions are decided one by one (controller/elections.py has the rules). Null asks for all partitions, and those
    that need no election are left out; named, they get ELECTION_NOT_NEEDED.
    The journal cannot be written    KAFKA_STORAGE_ERROR; no controller answers: REQUEST_TIMED_OUT
Versions
    1 election_type, an error of the whole answer    2 flexible
"""

from __future__ import annotations

from odradek.protocol.messages.elect_leaders import ElectLeadersRequest, ElectLeadersResponse
from odradek_broker.apis import RequestContext
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = ElectLeadersRequest, range(3)


async def handle(request: ElectLeadersRequest, context: RequestContext) -> ElectLeadersResponse:
    try:
        return await context.broker.controller.ask(request, ElectLeadersResponse, context.version)
    except ControllerUnavailable as error:
        return ElectLeadersResponse(error_code=error.error_code)
