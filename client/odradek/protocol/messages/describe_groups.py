"""DescribeGroups (API key 15), versions 0-6: ask for state and members of groups (classic protocol).

Versions
    1 throttle_time_ms    3 include_authorized_operations, authorized_operations (KIP-430)
    4 group_instance_id (KIP-345)    5 flexible    6 error_message; GROUP_ID_NOT_FOUND for unknown groups (KIP-1043)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Bytes, Int16, Int32, Since, String


class DescribeGroupsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 15
    VERSIONS: ClassVar[range] = range(7)
    FLEXIBLE: ClassVar[int | None] = 5

    groups: Array[String] = ()
    include_authorized_operations: Annotated[Boolean, Since(3)] = False


class DescribedGroupMember(Struct, frozen=True):
    member_id: String = ""
    group_instance_id: Annotated[String | None, Since(4)] = None
    client_id: String = ""
    client_host: String = ""
    member_metadata: Bytes = b""
    member_assignment: Bytes = b""


class DescribedGroup(Struct, frozen=True):
    error_code: Int16 = 0
    error_message: Annotated[String | None, Since(6)] = None
    group_id: String = ""
    group_state: String = ""
    protocol_type: String = ""
    protocol_data: String = ""
    """The protocol chosen; known while the group is stable."""
    members: Array[DescribedGroupMember] = ()
    authorized_operations: Annotated[Int32, Since(3)] = -0x8000_0000
    """A bit per AclOperation number; the lowest number there is where it was not asked for."""


class DescribeGroupsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 15
    VERSIONS: ClassVar[range] = range(7)
    FLEXIBLE: ClassVar[int | None] = 5

    throttle_time_ms: Annotated[Int32, Since(1)] = 0
    groups: Array[DescribedGroup] = ()
