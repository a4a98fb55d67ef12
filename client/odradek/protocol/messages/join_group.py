"""JoinGroup (API key 11), versions 0-9: enter a group, or come back to it in a rebalance (classic protocol).

Versions
    1 rebalance_timeout_ms (KIP-62)    2 throttle_time_ms
    4 a new member is first told its id, by MEMBER_ID_REQUIRED (KIP-394)    5 group_instance_id (KIP-345)
    6 flexible    7 protocol_type (KIP-559)    8 reason (KIP-800)    9 skip_assignment (KIP-814)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Bytes, Int16, Int32, NullableSince, Since, String


class JoinGroupRequestProtocol(Struct, frozen=True):
    name: String = ""
    metadata: Bytes = b""


class JoinGroupRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 11
    VERSIONS: ClassVar[range] = range(10)
    FLEXIBLE: ClassVar[int | None] = 6

    group_id: String = ""
    session_timeout_ms: Int32 = 0
    """A member that sends no heartbeat for so long is removed."""
    rebalance_timeout_ms: Annotated[Int32, Since(1)] = -1
    """How long a member may take to join again; -1 (version 0) means the session timeout."""
    member_id: String = ""
    """Empty at the first attempt."""
    group_instance_id: Annotated[String | None, Since(5)] = None
    """Makes the member a static one, which keeps its place through a restart."""
    protocol_type: String = ""
    protocols: Array[JoinGroupRequestProtocol] = ()
    """What the member can do, best first."""
    reason: Annotated[String | None, Since(8)] = None


class JoinGroupResponseMember(Struct, frozen=True):
    member_id: String = ""
    group_instance_id: Annotated[String | None, Since(5)] = None
    metadata: Bytes = b""


class JoinGroupResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 11
    VERSIONS: ClassVar[range] = range(10)
    FLEXIBLE: ClassVar[int | None] = 6

    throttle_time_ms: Annotated[Int32, Since(2)] = 0
    error_code: Int16 = 0
    generation_id: Int32 = -1
    protocol_type: Annotated[String | None, Since(7)] = None
    protocol_name: Annotated[String | None, NullableSince(7)] = ""
    leader: String = ""
    skip_assignment: Annotated[Boolean, Since(9)] = False
    """The leader need not compute an assignment: a static one came back."""
    member_id: String = ""
    members: Array[JoinGroupResponseMember] = ()
    """For the leader only."""
