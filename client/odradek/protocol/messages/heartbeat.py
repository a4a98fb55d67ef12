"""Heartbeat (API key 12), versions 0-4: tell the coordinator that a member is alive (classic protocol).

Versions
    1 throttle_time_ms    3 group_instance_id (KIP-345)    4 flexible
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Int16, Int32, Since, String


class HeartbeatRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 12
    VERSIONS: ClassVar[range] = range(5)
    FLEXIBLE: ClassVar[int | None] = 4

    group_id: String = ""
    generation_id: Int32 = 0
    member_id: String = ""
    group_instance_id: Annotated[String | None, Since(3)] = None


class HeartbeatResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 12
    VERSIONS: ClassVar[range] = range(5)
    FLEXIBLE: ClassVar[int | None] = 4

    throttle_time_ms: Annotated[Int32, Since(1)] = 0
    error_code: Int16 = 0
