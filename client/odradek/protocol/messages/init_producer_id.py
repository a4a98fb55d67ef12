"""InitProducerId (API key 22), versions 0-6: get a producer id and epoch, and end what an earlier instance left
open.

Versions
    2 flexible    3 producer_id, producer_epoch (KIP-360)    4 PRODUCER_FENCED may be answered
    5 TRANSACTION_ABORTABLE may be answered (KIP-890)
    6 enable_2pc, keep_prepared_txn, ongoing_txn_producer_id, ongoing_txn_producer_epoch (KIP-939); not final in
      Kafka 4.3
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Boolean, Int16, Int32, Int64, Since, String


class InitProducerIdRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 22
    VERSIONS: ClassVar[range] = range(7)
    FLEXIBLE: ClassVar[int | None] = 2

    transactional_id: String | None = ""
    transaction_timeout_ms: Int32 = 0
    producer_id: Annotated[Int64, Since(3)] = -1
    """What the producer has, where it wants its epoch raised; else -1."""
    producer_epoch: Annotated[Int16, Since(3)] = -1
    enable_2pc: Annotated[Boolean, Since(6)] = False
    keep_prepared_txn: Annotated[Boolean, Since(6)] = False


class InitProducerIdResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 22
    VERSIONS: ClassVar[range] = range(7)
    FLEXIBLE: ClassVar[int | None] = 2

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    producer_id: Int64 = -1
    producer_epoch: Int16 = 0
    ongoing_txn_producer_id: Annotated[Int64, Since(6)] = -1
    ongoing_txn_producer_epoch: Annotated[Int16, Since(6)] = -1
