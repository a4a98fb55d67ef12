"""Key and value of __transaction_state: one record per transactional id, the newest one counts.

Framed as in group_metadata: an int16 kind (API_KEY) before the key, an int16 version before the value.

Versions of TransactionLogValue
    1 flexible, and with it the producer ids before and after the present one (KIP-890)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int8, Int16, Int32, Int64, Since, String, Tag


class TransactionLogKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 0
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    transactional_id: String = ""


class PartitionsSchema(Struct, frozen=True):
    topic: String = ""
    partition_ids: Array[Int32] = ()


class TransactionLogValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 0
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 1

    producer_id: Int64 = 0
    previous_producer_id: Annotated[Int64, Since(1), Tag(0)] = -1
    next_producer_id: Annotated[Int64, Since(1), Tag(1)] = -1
    producer_epoch: Int16 = 0
    next_producer_epoch: Annotated[Int16, Since(1), Tag(3)] = -1
    transaction_timeout_ms: Int32 = 0
    transaction_status: Int8 = 0
    """0 empty, 1 ongoing, 2 prepare commit, 3 prepare abort, 4 complete commit, 5 complete abort, 6 dead, 7 prepare
    epoch fence."""
    transaction_partitions: Array[PartitionsSchema] | None = ()
    transaction_last_update_timestamp_ms: Int64 = 0
    transaction_start_timestamp_ms: Int64 = 0
    client_transaction_version: Annotated[Int16, Since(1), Tag(2)] = 0
