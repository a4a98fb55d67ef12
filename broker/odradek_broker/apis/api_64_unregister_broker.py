"""UnregisterBroker (API key 64), version 0: forget a broker that will not come back.

Behaviour
    The controller decides (controller/membership.py). A broker that lives registers again at once.
    No such broker                   BROKER_ID_NOT_REGISTERED
    The journal cannot be written    KAFKA_STORAGE_ERROR, and nothing is changed
    No controller answers            REQUEST_TIMED_OUT likewise
"""

from __future__ import annotations

from odradek.protocol.messages.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse
from odradek_broker.apis import RequestContext
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = UnregisterBrokerRequest, range(1)


async def handle(request: UnregisterBrokerRequest, context: RequestContext) -> UnregisterBrokerResponse:
    try:
        return await context.broker.controller.ask(request, UnregisterBrokerResponse, context.version)
    except ControllerUnavailable as error:
        return UnregisterBrokerResponse(error_code=error.error_code, error_message=str(error))
