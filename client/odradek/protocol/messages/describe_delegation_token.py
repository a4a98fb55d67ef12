"""DescribeDelegationToken (API key 41), versions 1-3: list delegation tokens (KIP-48).

Versions
    2 flexible    3 token_requester_principal_type, token_requester_principal_name (KIP-373)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Bytes, Int16, Int32, Int64, Since, String


class DescribeDelegationTokenOwner(Struct, frozen=True):
    principal_type: String = ""
    principal_name: String = ""


class DescribeDelegationTokenRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 41
    VERSIONS: ClassVar[range] = range(1, 4)
    FLEXIBLE: ClassVar[int | None] = 2

    owners: Array[DescribeDelegationTokenOwner] | None = ()


class DescribedDelegationTokenRenewer(Struct, frozen=True):
    principal_type: String = ""
    principal_name: String = ""


class DescribedDelegationToken(Struct, frozen=True):
    principal_type: String = ""
    principal_name: String = ""
    token_requester_principal_type: Annotated[String, Since(3)] = ""
    token_requester_principal_name: Annotated[String, Since(3)] = ""
    issue_timestamp: Int64 = 0
    expiry_timestamp: Int64 = 0
    max_timestamp: Int64 = 0
    token_id: String = ""
    hmac: Bytes = b""
    renewers: Array[DescribedDelegationTokenRenewer] = ()


class DescribeDelegationTokenResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 41
    VERSIONS: ClassVar[range] = range(1, 4)
    FLEXIBLE: ClassVar[int | None] = 2

    error_code: Int16 = 0
    tokens: Array[DescribedDelegationToken] = ()
    throttle_time_ms: Int32 = 0
