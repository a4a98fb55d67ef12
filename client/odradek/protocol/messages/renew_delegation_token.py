"""RenewDelegationToken (API key 39), versions 1-2: renew a delegation token (KIP-48).

Versions
    2 flexible
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Bytes, Int16, Int32, Int64


class RenewDelegationTokenRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 39
    VERSIONS: ClassVar[range] = range(1, 3)
    FLEXIBLE: ClassVar[int | None] = 2

    hmac: Bytes = b""
    renew_period_ms: Int64 = 0


class RenewDelegationTokenResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 39
    VERSIONS: ClassVar[range] = range(1, 3)
    FLEXIBLE: ClassVar[int | None] = 2

    error_code: Int16 = 0
    expiry_timestamp_ms: Int64 = 0
    throttle_time_ms: Int32 = 0
