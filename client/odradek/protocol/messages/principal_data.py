"""A principal as Envelope carries it, in the form of Kafka's default principal builder."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Boolean, String


class DefaultPrincipalData(Struct, frozen=True):
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    type: String = ""
    name: String = ""
    token_authenticated: Boolean = False
