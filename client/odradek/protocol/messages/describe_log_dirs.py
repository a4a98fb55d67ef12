"""DescribeLogDirs (API key 35), versions 1-5: ask a broker what lies in its log directories, and how large it is.

Versions
    2 flexible    3 error_code    4 total_bytes, usable_bytes (KIP-827)    5 is_cordoned (KIP-1066)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Int16, Int32, Int64, Since, String


class DescribableLogDirTopic(Struct, frozen=True):
    topic: String = ""
    partitions: Array[Int32] = ()


class DescribeLogDirsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 35
    VERSIONS: ClassVar[range] = range(1, 6)
    FLEXIBLE: ClassVar[int | None] = 2

    topics: Array[DescribableLogDirTopic] | None = ()
    """Null asks for all."""


class DescribeLogDirsPartition(Struct, frozen=True):
    partition_index: Int32 = 0
    partition_size: Int64 = 0
    offset_lag: Int64 = 0
    is_future_key: Boolean = False
    """The replica is on its way to this directory and not in use yet."""


class DescribeLogDirsTopic(Struct, frozen=True):
    name: String = ""
    partitions: Array[DescribeLogDirsPartition] = ()


class DescribeLogDirsResult(Struct, frozen=True):
    error_code: Int16 = 0
    log_dir: String = ""
    topics: Array[DescribeLogDirsTopic] = ()
    total_bytes: Annotated[Int64, Since(4)] = -1
    usable_bytes: Annotated[Int64, Since(4)] = -1
    is_cordoned: Annotated[Boolean, Since(5)] = False


class DescribeLogDirsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 35
    VERSIONS: ClassVar[range] = range(1, 6)
    FLEXIBLE: ClassVar[int | None] = 2

    throttle_time_ms: Int32 = 0
    error_code: Annotated[Int16, Since(3)] = 0
    results: Array[DescribeLogDirsResult] = ()
