"""RemoveRaftVoter (API key 81), version 0: remove a controller from the voters (KIP-853)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Int16, Int32, String, Uuid


class RemoveRaftVoterRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 81
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    cluster_id: String | None = ""
    voter_id: Int32 = 0
    voter_directory_id: Uuid = ZERO_UUID


class RemoveRaftVoterResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 81
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""
