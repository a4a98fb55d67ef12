"""AlterUserScramCredentials (API key 51), version 0: set or remove SCRAM credentials (KIP-554)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Bytes, Int8, Int16, Int32, String


class ScramCredentialDeletion(Struct, frozen=True):
    name: String = ""
    mechanism: Int8 = 0


class ScramCredentialUpsertion(Struct, frozen=True):
    name: String = ""
    mechanism: Int8 = 0
    """1 SCRAM-SHA-256, 2 SCRAM-SHA-512."""
    iterations: Int32 = 0
    salt: Bytes = b""
    salted_password: Bytes = b""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # a secret is in it


class AlterUserScramCredentialsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 51
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    deletions: Array[ScramCredentialDeletion] = ()
    upsertions: Array[ScramCredentialUpsertion] = ()


class AlterUserScramCredentialsResult(Struct, frozen=True):
    user: String = ""
    error_code: Int16 = 0
    error_message: String | None = ""


class AlterUserScramCredentialsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 51
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    results: Array[AlterUserScramCredentialsResult] = ()
