"""GetTelemetrySubscriptions (API key 71), version 0: ask which client metrics the broker wants (KIP-714)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Boolean, Int8, Int16, Int32, String, Uuid


class GetTelemetrySubscriptionsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 71
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    client_instance_id: Uuid = ZERO_UUID


class GetTelemetrySubscriptionsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 71
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    client_instance_id: Uuid = ZERO_UUID
    subscription_id: Int32 = 0
    accepted_compression_types: Array[Int8] = ()
    push_interval_ms: Int32 = 0
    telemetry_max_bytes: Int32 = 0
    delta_temporality: Boolean = False
    requested_metrics: Array[String] = ()
