"""ListTransactions (API key 66), versions 0-2: list the transactions that a broker coordinates (KIP-664).

Versions
    1 duration_filter (KIP-994)    2 transactional_id_pattern (KIP-1152)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int16, Int32, Int64, Since, String


class ListTransactionsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 66
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 0

    state_filters: Array[String] = ()
    producer_id_filters: Array[Int64] = ()
    duration_filter: Annotated[Int64, Since(1)] = -1
    transactional_id_pattern: Annotated[String | None, Since(2)] = None


class TransactionState(Struct, frozen=True):
    transactional_id: String = ""
    producer_id: Int64 = 0
    transaction_state: String = ""


class ListTransactionsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 66
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    unknown_state_filters: Array[String] = ()
    transaction_states: Array[TransactionState] = ()
