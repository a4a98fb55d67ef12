"""GetTelemetrySubscriptions (API key 71), version 0: which of a client's own metrics the broker wants (KIP-714).

Behaviour
    None. Not advertised, so that no client asks; one that asks all the same is told to ask again in five minutes.
"""

from __future__ import annotations

import uuid

from odradek.protocol.messages.get_telemetry_subscriptions import (
    GetTelemetrySubscriptionsRequest,
    GetTelemetrySubscriptionsResponse,
)
from odradek.protocol.schema import ZERO_UUID
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = GetTelemetrySubscriptionsRequest, range(1)
ADVERTISED_VERSIONS = range(0)

PUSH_INTERVAL_MS = 300_000
TELEMETRY_MAX_BYTES = 1_048_576
NO_SUBSCRIPTION = 0


def handle(request: GetTelemetrySubscriptionsRequest, context: RequestContext) -> GetTelemetrySubscriptionsResponse:
    asked_before = request.client_instance_id != ZERO_UUID
    return GetTelemetrySubscriptionsResponse(
        client_instance_id=request.client_instance_id if asked_before else uuid.uuid4().bytes,
        subscription_id=NO_SUBSCRIPTION,
        push_interval_ms=PUSH_INTERVAL_MS,
        telemetry_max_bytes=TELEMETRY_MAX_BYTES,
        delta_temporality=True,
    )
