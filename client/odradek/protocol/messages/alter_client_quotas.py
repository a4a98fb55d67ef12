"""AlterClientQuotas (API key 49), versions 0-1: set or remove quotas (KIP-546).

Versions
    1 flexible
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Float64, Int16, Int32, String


class EntityData(Struct, frozen=True):
    entity_type: String = ""
    entity_name: String | None = ""


class OpData(Struct, frozen=True):
    key: String = ""
    value: Float64 = 0.0
    remove: Boolean = False


class AlterClientQuotasRequestEntryData(Struct, frozen=True):
    entity: Array[EntityData] = ()
    ops: Array[OpData] = ()


class AlterClientQuotasRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 49
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 1

    entries: Array[AlterClientQuotasRequestEntryData] = ()
    validate_only: Boolean = False


class AlterClientQuotasResponseEntryData(Struct, frozen=True):
    error_code: Int16 = 0
    error_message: String | None = ""
    entity: Array[EntityData] = ()


class AlterClientQuotasResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 49
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 1

    throttle_time_ms: Int32 = 0
    entries: Array[AlterClientQuotasResponseEntryData] = ()
