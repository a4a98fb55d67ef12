"""PushTelemetry (API key 72), version 0: a client's own metrics (KIP-714).

Behaviour
    UNKNOWN_SUBSCRIPTION_ID: nobody has subscribed. Not advertised.
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.push_telemetry import PushTelemetryRequest, PushTelemetryResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = PushTelemetryRequest, range(1)
ADVERTISED_VERSIONS = range(0)


def handle(request: PushTelemetryRequest, context: RequestContext) -> PushTelemetryResponse:
    return PushTelemetryResponse(error_code=ErrorCode.UNKNOWN_SUBSCRIPTION_ID)
