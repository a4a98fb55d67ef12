"""SyncGroup (API key 14), versions 0-5: hand out the leader's assignment to the members of a generation (classic
protocol).

Versions
    1 throttle_time_ms    3 group_instance_id (KIP-345)    4 flexible    5 protocol_type, protocol_name (KIP-559)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Bytes, Int16, Int32, Since, String


class SyncGroupRequestAssignment(Struct, frozen=True):
    member_id: String = ""
    assignment: Bytes = b""


class SyncGroupRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 14
    VERSIONS: ClassVar[range] = range(6)
    FLEXIBLE: ClassVar[int | None] = 4

    group_id: String = ""
    generation_id: Int32 = 0
    member_id: String = ""
    group_instance_id: Annotated[String | None, Since(3)] = None
    protocol_type: Annotated[String | None, Since(5)] = None
    protocol_name: Annotated[String | None, Since(5)] = None
    assignments: Array[SyncGroupRequestAssignment] = ()
    """From the leader only."""


class SyncGroupResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 14
    VERSIONS: ClassVar[range] = range(6)
    FLEXIBLE: ClassVar[int | None] = 4

    throttle_time_ms: Annotated[Int32, Since(1)] = 0
    error_code: Int16 = 0
    protocol_type: Annotated[String | None, Since(5)] = None
    protocol_name: Annotated[String | None, Since(5)] = None
    assignment: Bytes = b""
