"""CreateDelegationToken (API key 38), versions 1-3: issue a delegation token (KIP-48).

Versions
    2 flexible
    3 owner_principal_type, owner_principal_name, token_requester_principal_type, token_requester_principal_name
      (KIP-373)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Bytes, Int16, Int32, Int64, Since, String


class CreatableRenewers(Struct, frozen=True):
    principal_type: String = ""
    principal_name: String = ""


class CreateDelegationTokenRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 38
    VERSIONS: ClassVar[range] = range(1, 4)
    FLEXIBLE: ClassVar[int | None] = 2

    owner_principal_type: Annotated[String | None, Since(3)] = ""
    owner_principal_name: Annotated[String | None, Since(3)] = ""
    renewers: Array[CreatableRenewers] = ()
    max_lifetime_ms: Int64 = 0


class CreateDelegationTokenResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 38
    VERSIONS: ClassVar[range] = range(1, 4)
    FLEXIBLE: ClassVar[int | None] = 2

    error_code: Int16 = 0
    principal_type: String = ""
    principal_name: String = ""
    token_requester_principal_type: Annotated[String, Since(3)] = ""
    token_requester_principal_name: Annotated[String, Since(3)] = ""
    issue_timestamp_ms: Int64 = 0
    expiry_timestamp_ms: Int64 = 0
    max_timestamp_ms: Int64 = 0
    token_id: String = ""
    hmac: Bytes = b""
    throttle_time_ms: Int32 = 0
