"""ListGroups (API key 16), versions 0-5: list the groups that a broker coordinates.

Versions
    1 throttle_time_ms    3 flexible    4 states_filter, group_state (KIP-518)
    5 types_filter, group_type (KIP-848)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int16, Int32, Since, String


class ListGroupsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 16
    VERSIONS: ClassVar[range] = range(6)
    FLEXIBLE: ClassVar[int | None] = 3

    states_filter: Annotated[Array[String], Since(4)] = ()
    """Empty for all."""
    types_filter: Annotated[Array[String], Since(5)] = ()
    """Empty for all."""


class ListedGroup(Struct, frozen=True):
    group_id: String = ""
    protocol_type: String = ""
    group_state: Annotated[String, Since(4)] = ""
    group_type: Annotated[String, Since(5)] = ""


class ListGroupsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 16
    VERSIONS: ClassVar[range] = range(6)
    FLEXIBLE: ClassVar[int | None] = 3

    throttle_time_ms: Annotated[Int32, Since(1)] = 0
    error_code: Int16 = 0
    groups: Array[ListedGroup] = ()
