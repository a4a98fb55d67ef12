"""EndTxn (API key 26), versions 0-5: commit or abort a transaction.

Versions
    2 PRODUCER_FENCED may be answered    3 flexible    4 TRANSACTION_ABORTABLE may be answered (KIP-890)
    5 the epoch rises with every transaction: producer_id, producer_epoch (KIP-890)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Boolean, Int16, Int32, Int64, Since, String


class EndTxnRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 26
    VERSIONS: ClassVar[range] = range(6)
    FLEXIBLE: ClassVar[int | None] = 3

    transactional_id: String = ""
    producer_id: Int64 = 0
    producer_epoch: Int16 = 0
    committed: Boolean = False
    """True commits, false aborts."""


class EndTxnResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 26
    VERSIONS: ClassVar[range] = range(6)
    FLEXIBLE: ClassVar[int | None] = 3

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    producer_id: Annotated[Int64, Since(5)] = -1
    producer_epoch: Annotated[Int16, Since(5)] = -1
