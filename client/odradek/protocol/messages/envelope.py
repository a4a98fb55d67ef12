"""Envelope (API key 58), version 0: forward a client's request to the controller, with its principal (KIP-590)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Bytes, Int16


class EnvelopeRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 58
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    request_data: Bytes = b""
    request_principal: Bytes | None = b""
    client_host_address: Bytes = b""


class EnvelopeResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 58
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    response_data: Bytes | None = None
    error_code: Int16 = 0
