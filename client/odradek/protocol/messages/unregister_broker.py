"""UnregisterBroker (API key 64), version 0: forget a broker that will not come back."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Int16, Int32, String


class UnregisterBrokerRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 64
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    broker_id: Int32 = 0


class UnregisterBrokerResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 64
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""
