"""SaslAuthenticate (API key 36), versions 0-2: carry one step of the SASL exchange.

Versions
    1 session_lifetime_ms (KIP-368)    2 flexible
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Bytes, Int16, Int64, Since, String


class SaslAuthenticateRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 36
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 2

    auth_bytes: Bytes = b""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # a secret is in it


class SaslAuthenticateResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 36
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 2

    error_code: Int16 = 0
    error_message: String | None = ""
    auth_bytes: Bytes = b""
    session_lifetime_ms: Annotated[Int64, Since(1)] = 0
    """After so long the client must authenticate again; 0 for never."""
