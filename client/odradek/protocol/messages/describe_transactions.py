"""DescribeTransactions (API key 65), version 0: ask for the state of transactions (KIP-664)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int16, Int32, Int64, String


class DescribeTransactionsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 65
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    transactional_ids: Array[String] = ()


class TopicData(Struct, frozen=True):
    topic: String = ""
    partitions: Array[Int32] = ()


class TransactionState(Struct, frozen=True):
    error_code: Int16 = 0
    transactional_id: String = ""
    transaction_state: String = ""
    transaction_timeout_ms: Int32 = 0
    transaction_start_time_ms: Int64 = 0
    producer_id: Int64 = 0
    producer_epoch: Int16 = 0
    topics: Array[TopicData] = ()


class DescribeTransactionsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 65
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    transaction_states: Array[TransactionState] = ()
