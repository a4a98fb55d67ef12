"""AddPartitionsToTxn (API key 24), versions 0-5: add partitions to a transaction before anything is written to them.

Up to version 3 clients ask; from version 4 on a partition's leader asks whether its partition has been added.

Versions
    2 PRODUCER_FENCED may be answered    3 flexible
    4 from brokers only: many transactions at once, verify_only (KIP-890)
    5 TRANSACTION_ABORTABLE may be answered (KIP-890)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Int16, Int32, Int64, Since, String, Until


class AddPartitionsToTxnTopic(Struct, frozen=True):
    name: String = ""
    partitions: Array[Int32] = ()


class AddPartitionsToTxnTransaction(Struct, frozen=True):
    transactional_id: String = ""
    producer_id: Int64 = 0
    producer_epoch: Int16 = 0
    verify_only: Boolean = False
    """Ask whether the partitions have been added; add nothing."""
    topics: Array[AddPartitionsToTxnTopic] = ()


class AddPartitionsToTxnRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 24
    VERSIONS: ClassVar[range] = range(6)
    FLEXIBLE: ClassVar[int | None] = 3

    transactions: Annotated[Array[AddPartitionsToTxnTransaction], Since(4)] = ()
    v3_and_below_transactional_id: Annotated[String, Until(3)] = ""
    v3_and_below_producer_id: Annotated[Int64, Until(3)] = 0
    v3_and_below_producer_epoch: Annotated[Int16, Until(3)] = 0
    v3_and_below_topics: Annotated[Array[AddPartitionsToTxnTopic], Until(3)] = ()


class AddPartitionsToTxnPartitionResult(Struct, frozen=True):
    partition_index: Int32 = 0
    partition_error_code: Int16 = 0


class AddPartitionsToTxnTopicResult(Struct, frozen=True):
    name: String = ""
    results_by_partition: Array[AddPartitionsToTxnPartitionResult] = ()


class AddPartitionsToTxnResult(Struct, frozen=True):
    transactional_id: String = ""
    topic_results: Array[AddPartitionsToTxnTopicResult] = ()


class AddPartitionsToTxnResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 24
    VERSIONS: ClassVar[range] = range(6)
    FLEXIBLE: ClassVar[int | None] = 3

    throttle_time_ms: Int32 = 0
    error_code: Annotated[Int16, Since(4)] = 0
    results_by_transaction: Annotated[Array[AddPartitionsToTxnResult], Since(4)] = ()
    results_by_topic_v3_and_below: Annotated[Array[AddPartitionsToTxnTopicResult], Until(3)] = ()
