"""AllocateProducerIds (API key 67), version 0: a broker fetches a block of producer ids from the controller
(KIP-730).
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Int16, Int32, Int64


class AllocateProducerIdsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 67
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    broker_id: Int32 = 0
    broker_epoch: Int64 = -1


class AllocateProducerIdsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 67
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    producer_id_start: Int64 = 0
    producer_id_len: Int32 = 0
