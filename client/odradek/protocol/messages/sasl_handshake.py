"""SaslHandshake (API key 17), versions 0-1: name the SASL mechanism.

Versions
    1 the exchange that follows is framed in SaslAuthenticate requests (KIP-152)
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int16, String


class SaslHandshakeRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 17
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = None

    mechanism: String = ""


class SaslHandshakeResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 17
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = None

    error_code: Int16 = 0
    mechanisms: Array[String] = ()
    """What the broker offers."""
