"""DeleteGroups (API key 42), versions 0-3: delete empty groups with their offsets.

Versions
    2 flexible    3 error_message
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int16, Int32, Since, String


class DeleteGroupsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 42
    VERSIONS: ClassVar[range] = range(4)
    FLEXIBLE: ClassVar[int | None] = 2

    groups_names: Array[String] = ()


class DeletableGroupResult(Struct, frozen=True):
    group_id: String = ""
    error_code: Int16 = 0
    error_message: Annotated[String | None, Since(3)] = None


class DeleteGroupsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 42
    VERSIONS: ClassVar[range] = range(4)
    FLEXIBLE: ClassVar[int | None] = 2

    throttle_time_ms: Int32 = 0
    results: Array[DeletableGroupResult] = ()
