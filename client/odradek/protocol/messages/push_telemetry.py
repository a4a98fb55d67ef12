"""PushTelemetry (API key 72), version 0: send client metrics (KIP-714)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Boolean, Bytes, Int8, Int16, Int32, Uuid


class PushTelemetryRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 72
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    client_instance_id: Uuid = ZERO_UUID
    subscription_id: Int32 = 0
    terminating: Boolean = False
    compression_type: Int8 = 0
    metrics: Bytes = b""


class PushTelemetryResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 72
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
