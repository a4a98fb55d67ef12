"""AddRaftVoter (API key 80), versions 0-1: add a controller to the voters (KIP-853).

Versions
    1 ack_when_committed
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Boolean, Int16, Int32, Since, String, UInt16, Uuid


class Listener(Struct, frozen=True):
    name: String = ""
    host: String = ""
    port: UInt16 = 0


class AddRaftVoterRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 80
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    cluster_id: String | None = ""
    timeout_ms: Int32 = 0
    voter_id: Int32 = 0
    voter_directory_id: Uuid = ZERO_UUID
    listeners: Array[Listener] = ()
    ack_when_committed: Annotated[Boolean, Since(1)] = True


class AddRaftVoterResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 80
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""
