"""AssignReplicasToDirs (API key 73), version 0: a broker tells the controller in which log directories its replicas
lie (KIP-858).
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, Int64, Uuid


class AssignReplicasToDirsRequestPartitionData(Struct, frozen=True):
    partition_index: Int32 = 0


class AssignReplicasToDirsRequestTopicData(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[AssignReplicasToDirsRequestPartitionData] = ()


class AssignReplicasToDirsRequestDirectoryData(Struct, frozen=True):
    id: Uuid = ZERO_UUID
    topics: Array[AssignReplicasToDirsRequestTopicData] = ()


class AssignReplicasToDirsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 73
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    broker_id: Int32 = 0
    broker_epoch: Int64 = -1
    directories: Array[AssignReplicasToDirsRequestDirectoryData] = ()


class AssignReplicasToDirsResponsePartitionData(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0


class AssignReplicasToDirsResponseTopicData(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    partitions: Array[AssignReplicasToDirsResponsePartitionData] = ()


class AssignReplicasToDirsResponseDirectoryData(Struct, frozen=True):
    id: Uuid = ZERO_UUID
    topics: Array[AssignReplicasToDirsResponseTopicData] = ()


class AssignReplicasToDirsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 73
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    directories: Array[AssignReplicasToDirsResponseDirectoryData] = ()
