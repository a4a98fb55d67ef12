"""LeaveGroup (API key 13), versions 0-5: leave a group, or remove members from it (classic protocol).

Versions
    1 throttle_time_ms    3 many members at once: members (KIP-345)    4 flexible    5 reason (KIP-800)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int16, Int32, Since, String, Until


class MemberIdentity(Struct, frozen=True):
    member_id: String = ""
    group_instance_id: String | None = None
    reason: Annotated[String | None, Since(5)] = None


class LeaveGroupRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 13
    VERSIONS: ClassVar[range] = range(6)
    FLEXIBLE: ClassVar[int | None] = 4

    group_id: String = ""
    member_id: Annotated[String, Until(2)] = ""
    members: Annotated[Array[MemberIdentity], Since(3)] = ()


class MemberResponse(Struct, frozen=True):
    member_id: String = ""
    group_instance_id: String | None = ""
    error_code: Int16 = 0


class LeaveGroupResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 13
    VERSIONS: ClassVar[range] = range(6)
    FLEXIBLE: ClassVar[int | None] = 4

    throttle_time_ms: Annotated[Int32, Since(1)] = 0
    error_code: Int16 = 0
    members: Annotated[Array[MemberResponse], Since(3)] = ()
