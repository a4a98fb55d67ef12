"""DescribeCluster (API key 60), versions 0-2: ask for the cluster's brokers or controllers (KIP-700).

Versions
    1 endpoint_type (KIP-919)    2 include_fenced_brokers, is_fenced (KIP-1073)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Int8, Int16, Int32, Since, String


class DescribeClusterRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 60
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 0

    include_cluster_authorized_operations: Boolean = False
    endpoint_type: Annotated[Int8, Since(1)] = 1
    """1 asks for brokers, 2 for controllers."""
    include_fenced_brokers: Annotated[Boolean, Since(2)] = False


class DescribeClusterBroker(Struct, frozen=True):
    broker_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    rack: String | None = None
    is_fenced: Annotated[Boolean, Since(2)] = False


class DescribeClusterResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 60
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    endpoint_type: Annotated[Int8, Since(1)] = 1
    cluster_id: String = ""
    controller_id: Int32 = -1
    brokers: Array[DescribeClusterBroker] = ()
    cluster_authorized_operations: Int32 = -0x8000_0000
    """A bit per AclOperation number; the lowest number there is where it was not asked for."""
