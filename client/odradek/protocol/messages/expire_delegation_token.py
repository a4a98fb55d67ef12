"""ExpireDelegationToken (API key 40), versions 1-2: bring forward or put off the end of a delegation token (KIP-48).

Versions
    2 flexible
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Bytes, Int16, Int32, Int64


class ExpireDelegationTokenRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 40
    VERSIONS: ClassVar[range] = range(1, 3)
    FLEXIBLE: ClassVar[int | None] = 2

    hmac: Bytes = b""
    expiry_time_period_ms: Int64 = 0


class ExpireDelegationTokenResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 40
    VERSIONS: ClassVar[range] = range(1, 3)
    FLEXIBLE: ClassVar[int | None] = 2

    error_code: Int16 = 0
    expiry_timestamp_ms: Int64 = 0
    throttle_time_ms: Int32 = 0
