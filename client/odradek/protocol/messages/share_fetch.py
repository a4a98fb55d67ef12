"""ShareFetch (API key 78), versions 1-2: acquire records of share partitions, and acknowledge earlier ones
(KIP-932).

Versions
    2 share_acquire_mode, is_renew_ack (KIP-1206, KIP-1222)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Boolean, Int8, Int16, Int32, Int64, Records, Since, String, Uuid


class AcknowledgementBatch(Struct, frozen=True):
    first_offset: Int64 = 0
    last_offset: Int64 = 0
    acknowledge_types: Array[Int8] = ()
    """Per record, or one for all: 0 gap, 1 accept, 2 release, 3 reject, 4 renew."""


class FetchPartition(Struct, frozen=True):
    partition_index: Int32 = 0
    acknowledgement_batches: Array[AcknowledgementBatch] = ()


class FetchTopic(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[FetchPartition] = ()


class ForgottenTopic(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[Int32] = ()


class ShareFetchRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 78
    VERSIONS: ClassVar[range] = range(1, 3)
    FLEXIBLE: ClassVar[int | None] = 0

    group_id: String | None = None
    member_id: String | None = ""
    share_session_epoch: Int32 = 0
    """0 opens a session, -1 closes it, others count up from 1."""
    max_wait_ms: Int32 = 0
    min_bytes: Int32 = 0
    max_bytes: Int32 = 0x7FFF_FFFF
    max_records: Int32 = 0
    batch_size: Int32 = 0
    share_acquire_mode: Annotated[Int8, Since(2)] = 0
    """0 takes whole batches, 1 no more records than max_records (KIP-1206)."""
    is_renew_ack: Annotated[Boolean, Since(2)] = False
    topics: Array[FetchTopic] = ()
    forgotten_topics_data: Array[ForgottenTopic] = ()


class LeaderIdAndEpoch(Struct, frozen=True):
    leader_id: Int32 = 0
    leader_epoch: Int32 = 0


class AcquiredRecords(Struct, frozen=True):
    first_offset: Int64 = 0
    last_offset: Int64 = 0
    delivery_count: Int16 = 0


class PartitionData(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    acknowledge_error_code: Int16 = 0
    acknowledge_error_message: String | None = None
    current_leader: LeaderIdAndEpoch = LeaderIdAndEpoch()
    records: Records = b""
    acquired_records: Array[AcquiredRecords] = ()


class ShareFetchableTopicResponse(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[PartitionData] = ()


class NodeEndpoint(Struct, frozen=True):
    node_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    rack: String | None = None


class ShareFetchResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 78
    VERSIONS: ClassVar[range] = range(1, 3)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    acquisition_lock_timeout_ms: Int32 = 0
    responses: Array[ShareFetchableTopicResponse] = ()
    node_endpoints: Array[NodeEndpoint] = ()
