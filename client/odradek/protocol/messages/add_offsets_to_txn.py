"""AddOffsetsToTxn (API key 25), versions 0-4: add a group's partition of the offsets topic to a transaction.

Versions
    2 PRODUCER_FENCED may be answered    3 flexible    4 TRANSACTION_ABORTABLE may be answered (KIP-890)
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Int16, Int32, Int64, String


class AddOffsetsToTxnRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 25
    VERSIONS: ClassVar[range] = range(5)
    FLEXIBLE: ClassVar[int | None] = 3

    transactional_id: String = ""
    producer_id: Int64 = 0
    producer_epoch: Int16 = 0
    group_id: String = ""


class AddOffsetsToTxnResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 25
    VERSIONS: ClassVar[range] = range(5)
    FLEXIBLE: ClassVar[int | None] = 3

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
