"""ShareAcknowledge (API key 79), versions 1-2: acknowledge records acquired from share partitions (KIP-932).

Versions
    2 is_renew_ack, acquisition_lock_timeout_ms (KIP-1222)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Boolean, Int8, Int16, Int32, Int64, Since, String, Uuid


class AcknowledgementBatch(Struct, frozen=True):
    first_offset: Int64 = 0
    last_offset: Int64 = 0
    acknowledge_types: Array[Int8] = ()
    """Per record, or one for all: 0 gap, 1 accept, 2 release, 3 reject, 4 renew."""


class AcknowledgePartition(Struct, frozen=True):
    partition_index: Int32 = 0
    acknowledgement_batches: Array[AcknowledgementBatch] = ()


class AcknowledgeTopic(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[AcknowledgePartition] = ()


class ShareAcknowledgeRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 79
    VERSIONS: ClassVar[range] = range(1, 3)
    FLEXIBLE: ClassVar[int | None] = 0

    group_id: String | None = None
    member_id: String | None = ""
    share_session_epoch: Int32 = 0
    is_renew_ack: Annotated[Boolean, Since(2)] = False
    topics: Array[AcknowledgeTopic] = ()


class LeaderIdAndEpoch(Struct, frozen=True):
    leader_id: Int32 = 0
    leader_epoch: Int32 = 0


class PartitionData(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    current_leader: LeaderIdAndEpoch = LeaderIdAndEpoch()


class ShareAcknowledgeTopicResponse(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[PartitionData] = ()


class NodeEndpoint(Struct, frozen=True):
    node_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    rack: String | None = None


class ShareAcknowledgeResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 79
    VERSIONS: ClassVar[range] = range(1, 3)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    acquisition_lock_timeout_ms: Annotated[Int32, Since(2)] = 0
    responses: Array[ShareAcknowledgeTopicResponse] = ()
    node_endpoints: Array[NodeEndpoint] = ()
