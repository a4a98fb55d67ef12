"""WriteTxnMarkers (API key 27), versions 1-2: write commit or abort markers, from a transaction coordinator to the
partitions' leaders.

Versions
    2 transaction_version (KIP-1228)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Int8, Int16, Int32, Int64, Since, String


class WritableTxnMarkerTopic(Struct, frozen=True):
    name: String = ""
    partition_indexes: Array[Int32] = ()


class WritableTxnMarker(Struct, frozen=True):
    producer_id: Int64 = 0
    producer_epoch: Int16 = 0
    transaction_result: Boolean = False
    """True commits, false aborts."""
    topics: Array[WritableTxnMarkerTopic] = ()
    coordinator_epoch: Int32 = 0
    transaction_version: Annotated[Int8, Since(2)] = 0


class WriteTxnMarkersRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 27
    VERSIONS: ClassVar[range] = range(1, 3)
    FLEXIBLE: ClassVar[int | None] = 1

    markers: Array[WritableTxnMarker] = ()


class WritableTxnMarkerPartitionResult(Struct, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0


class WritableTxnMarkerTopicResult(Struct, frozen=True):
    name: String = ""
    partitions: Array[WritableTxnMarkerPartitionResult] = ()


class WritableTxnMarkerResult(Struct, frozen=True):
    producer_id: Int64 = 0
    topics: Array[WritableTxnMarkerTopicResult] = ()


class WriteTxnMarkersResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 27
    VERSIONS: ClassVar[range] = range(1, 3)
    FLEXIBLE: ClassVar[int | None] = 1

    markers: Array[WritableTxnMarkerResult] = ()
