"""Fetch (API key 1), versions 4-18: read record batches of partitions, waiting a while for new ones.

Consumers and followers use the same request; a follower says who it is in replica_id or replica_state. Partitions are
served in the order in which they are asked for.

Versions
    5 log_start_offset    6 KAFKA_STORAGE_ERROR may be answered
    7 fetch sessions: session_id, session_epoch, forgotten_topics_data, error_code (KIP-227)
    9 current_leader_epoch (KIP-320)    10 zstd batches may be answered (KIP-110)
    11 rack_id, preferred_read_replica (KIP-392)
    12 cluster_id, last_fetched_epoch, flexible, diverging_epoch, current_leader, snapshot_id (KIP-595)
    13 topic ids instead of names (KIP-516)    14 OFFSET_MOVED_TO_TIERED_STORAGE may be answered (KIP-405)
    15 replica_state instead of replica_id (KIP-903)    16 node_endpoints (KIP-951)
    17 replica_directory_id (KIP-853)    18 high_watermark (KIP-1166)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import (
    ZERO_UUID,
    Array,
    Int8,
    Int16,
    Int32,
    Int64,
    Records,
    Since,
    String,
    Tag,
    Until,
    Uuid,
)


class ReplicaState(Struct, frozen=True):
    replica_id: Int32 = -1
    replica_epoch: Int64 = -1


class FetchPartition(Struct, frozen=True):
    partition: Int32 = 0
    current_leader_epoch: Annotated[Int32, Since(9)] = -1
    """The leader epoch that the client believes in, -1 where it does not say: the leader refuses another one."""
    fetch_offset: Int64 = 0
    last_fetched_epoch: Annotated[Int32, Since(12)] = -1
    """The epoch of the follower's last record, by which the leader sees where logs diverge."""
    log_start_offset: Annotated[Int64, Since(5)] = -1
    """The follower's own; -1 from a consumer."""
    partition_max_bytes: Int32 = 0
    replica_directory_id: Annotated[Uuid, Since(17), Tag(0)] = ZERO_UUID
    high_watermark: Annotated[Int64, Since(18), Tag(1)] = 0x7FFF_FFFF_FFFF_FFFF
    """What the follower knows already; the leader answers at once where it has moved on."""


class FetchTopic(Struct, frozen=True):
    topic: Annotated[String, Until(12)] = ""
    topic_id: Annotated[Uuid, Since(13)] = ZERO_UUID
    partitions: Array[FetchPartition] = ()


class ForgottenTopic(Struct, frozen=True):
    topic: Annotated[String, Until(12)] = ""
    topic_id: Annotated[Uuid, Since(13)] = ZERO_UUID
    partitions: Array[Int32] = ()


class FetchRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 1
    VERSIONS: ClassVar[range] = range(4, 19)
    FLEXIBLE: ClassVar[int | None] = 12

    cluster_id: Annotated[String | None, Since(12), Tag(0)] = None
    replica_id: Annotated[Int32, Until(14)] = -1
    """The follower's broker id, -1 for a consumer."""
    replica_state: Annotated[ReplicaState, Since(15), Tag(1)] = ReplicaState()
    max_wait_ms: Int32 = 0
    min_bytes: Int32 = 0
    """The answer waits, up to max_wait_ms, until so many bytes have come together."""
    max_bytes: Int32 = 0x7FFF_FFFF
    """A soft limit: a first batch that is larger is answered all the same."""
    isolation_level: Int8 = 0
    """0 reads up to the high watermark, 1 (read committed) up to the last stable offset."""
    session_id: Annotated[Int32, Since(7)] = 0
    session_epoch: Annotated[Int32, Since(7)] = -1
    """0 opens a session, -1 goes without or closes one, others count up from 1."""
    topics: Array[FetchTopic] = ()
    forgotten_topics_data: Annotated[Array[ForgottenTopic], Since(7)] = ()
    """Partitions that leave the fetch session."""
    rack_id: Annotated[String, Since(11)] = ""


class EpochEndOffset(Struct, frozen=True):
    epoch: Int32 = -1
    end_offset: Int64 = -1


class LeaderIdAndEpoch(Struct, frozen=True):
    leader_id: Int32 = -1
    leader_epoch: Int32 = -1


class SnapshotId(Struct, frozen=True):
    end_offset: Int64 = -1
    epoch: Int32 = -1


class AbortedTransaction(Struct, frozen=True):
    producer_id: Int64 = 0
    first_offset: Int64 = 0


class PartitionData(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    high_watermark: Int64 = 0
    last_stable_offset: Int64 = -1
    log_start_offset: Annotated[Int64, Since(5)] = -1
    diverging_epoch: Annotated[EpochEndOffset, Since(12), Tag(0)] = EpochEndOffset()
    """The largest epoch that both logs share, and where it ends at the leader: truncate, fetch again."""
    current_leader: Annotated[LeaderIdAndEpoch, Since(12), Tag(1)] = LeaderIdAndEpoch()
    snapshot_id: Annotated[SnapshotId, Since(12), Tag(2)] = SnapshotId()
    aborted_transactions: Array[AbortedTransaction] | None = ()
    """Null for read uncommitted."""
    preferred_read_replica: Annotated[Int32, Since(11)] = -1
    """A replica nearer to the consumer; -1 for none."""
    records: Records | None = None
    """Whole batches, the first of which may begin before the offset asked for. Never null, or librdkafka fails."""


class FetchableTopicResponse(Struct, frozen=True):
    topic: Annotated[String, Until(12)] = ""
    topic_id: Annotated[Uuid, Since(13)] = ZERO_UUID
    partitions: Array[PartitionData] = ()


class NodeEndpoint(Struct, frozen=True):
    node_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    rack: String | None = None


class FetchResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 1
    VERSIONS: ClassVar[range] = range(4, 19)
    FLEXIBLE: ClassVar[int | None] = 12

    throttle_time_ms: Int32 = 0
    error_code: Annotated[Int16, Since(7)] = 0
    session_id: Annotated[Int32, Since(7)] = 0
    """0 where the broker keeps no session."""
    responses: Array[FetchableTopicResponse] = ()
    node_endpoints: Annotated[Array[NodeEndpoint], Since(16), Tag(0)] = ()
