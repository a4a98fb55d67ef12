"""DescribeClientQuotas (API key 48), versions 0-1: list quotas of users, client ids and addresses (KIP-546).

Versions
    1 flexible
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Float64, Int8, Int16, Int32, String


class ComponentData(Struct, frozen=True):
    entity_type: String = ""
    match_type: Int8 = 0
    match: String | None = ""


class DescribeClientQuotasRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 48
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 1

    components: Array[ComponentData] = ()
    strict: Boolean = False


class EntityData(Struct, frozen=True):
    entity_type: String = ""
    entity_name: String | None = ""


class ValueData(Struct, frozen=True):
    key: String = ""
    value: Float64 = 0.0


class EntryData(Struct, frozen=True):
    entity: Array[EntityData] = ()
    values: Array[ValueData] = ()


class DescribeClientQuotasResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 48
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 1

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""
    entries: Array[EntryData] | None = ()
