"""DeleteGroups (API key 42), versions 0-2: delete empty groups with their offsets.

Versions
    2 flexible
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int16, Int32, String


class DeleteGroupsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 42
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 2

    groups_names: Array[String] = ()


class DeletableGroupResult(Struct, frozen=True):
    group_id: String = ""
    error_code: Int16 = 0


class DeleteGroupsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 42
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 2

    throttle_time_ms: Int32 = 0
    results: Array[DeletableGroupResult] = ()
