"""DescribeUserScramCredentials (API key 50), version 0: list the SCRAM credentials of users, without their secrets
(KIP-554).
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int8, Int16, Int32, String


class UserName(Struct, frozen=True):
    name: String = ""


class DescribeUserScramCredentialsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 50
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    users: Array[UserName] | None = ()


class CredentialInfo(Struct, frozen=True):
    mechanism: Int8 = 0
    """1 SCRAM-SHA-256, 2 SCRAM-SHA-512."""
    iterations: Int32 = 0


class DescribeUserScramCredentialsResult(Struct, frozen=True):
    user: String = ""
    error_code: Int16 = 0
    error_message: String | None = ""
    credential_infos: Array[CredentialInfo] = ()


class DescribeUserScramCredentialsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 50
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""
    results: Array[DescribeUserScramCredentialsResult] = ()
