"""AlterReplicaLogDirs (API key 34), versions 1-2: move replicas between the log directories of one broker (KIP-113).

Versions
    2 flexible
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int16, Int32, String


class AlterReplicaLogDirTopic(Struct, frozen=True):
    name: String = ""
    partitions: Array[Int32] = ()


class AlterReplicaLogDir(Struct, frozen=True):
    path: String = ""
    topics: Array[AlterReplicaLogDirTopic] = ()


class AlterReplicaLogDirsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 34
    VERSIONS: ClassVar[range] = range(1, 3)
    FLEXIBLE: ClassVar[int | None] = 2

    dirs: Array[AlterReplicaLogDir] = ()


class AlterReplicaLogDirPartitionResult(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0


class AlterReplicaLogDirTopicResult(Struct, frozen=True):
    topic_name: String = ""
    partitions: Array[AlterReplicaLogDirPartitionResult] = ()


class AlterReplicaLogDirsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 34
    VERSIONS: ClassVar[range] = range(1, 3)
    FLEXIBLE: ClassVar[int | None] = 2

    throttle_time_ms: Int32 = 0
    results: Array[AlterReplicaLogDirTopicResult] = ()
