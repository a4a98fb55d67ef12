"""TxnOffsetCommit (API key 28), versions 0-6: store a group's positions within a transaction.

Versions
    2 committed_leader_epoch (KIP-320)
    3 generation_id_or_member_epoch, member_id, group_instance_id, flexible (KIP-447)
    4 TRANSACTION_ABORTABLE may be answered (KIP-890)    5 the group adds itself to the transaction (KIP-890)
    6 topics by id (KIP-1319)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, Int64, Since, String, Until, Uuid


class TxnOffsetCommitRequestPartition(Struct, frozen=True):
    partition_index: Int32 = 0
    committed_offset: Int64 = 0
    committed_leader_epoch: Annotated[Int32, Since(2)] = -1
    committed_metadata: String | None = ""


class TxnOffsetCommitRequestTopic(Struct, frozen=True):
    name: Annotated[String, Until(5)] = ""
    topic_id: Annotated[Uuid, Since(6)] = ZERO_UUID
    partitions: Array[TxnOffsetCommitRequestPartition] = ()


class TxnOffsetCommitRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 28
    VERSIONS: ClassVar[range] = range(7)
    FLEXIBLE: ClassVar[int | None] = 3

    transactional_id: String = ""
    group_id: String = ""
    producer_id: Int64 = 0
    producer_epoch: Int16 = 0
    generation_id_or_member_epoch: Annotated[Int32, Since(3)] = -1
    member_id: Annotated[String, Since(3)] = ""
    group_instance_id: Annotated[String | None, Since(3)] = None
    topics: Array[TxnOffsetCommitRequestTopic] = ()


class TxnOffsetCommitResponsePartition(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0


class TxnOffsetCommitResponseTopic(Struct, frozen=True):
    name: Annotated[String, Until(5)] = ""
    topic_id: Annotated[Uuid, Since(6)] = ZERO_UUID
    partitions: Array[TxnOffsetCommitResponsePartition] = ()


class TxnOffsetCommitResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 28
    VERSIONS: ClassVar[range] = range(7)
    FLEXIBLE: ClassVar[int | None] = 3

    throttle_time_ms: Int32 = 0
    topics: Array[TxnOffsetCommitResponseTopic] = ()
