"""BrokerHeartbeat (API key 63), versions 0-2: a broker tells the controller that it lives, and whether it wants to
be fenced or to stop.

Versions
    1 offline_log_dirs (KIP-858)    2 cordoned_log_dirs (KIP-1066)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Int16, Int32, Int64, Since, Tag, Uuid


class BrokerHeartbeatRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 63
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 0

    broker_id: Int32 = 0
    broker_epoch: Int64 = -1
    current_metadata_offset: Int64 = 0
    """How far the broker has followed the metadata log."""
    want_fence: Boolean = False
    want_shut_down: Boolean = False
    offline_log_dirs: Annotated[Array[Uuid], Since(1), Tag(0)] = ()
    cordoned_log_dirs: Annotated[Array[Uuid] | None, Since(2), Tag(1)] = None


class BrokerHeartbeatResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 63
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    is_caught_up: Boolean = False
    is_fenced: Boolean = True
    should_shut_down: Boolean = False
    """All its partitions have found other leaders."""
