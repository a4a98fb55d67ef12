"""FindCoordinator (API key 10), versions 0-6: find the broker that coordinates a group, a transactional id or a
share partition.

Versions
    1 key_type, throttle_time_ms, error_message    3 flexible
    4 many keys at once: coordinator_keys, coordinators (KIP-699)
    5 TRANSACTION_ABORTABLE may be answered (KIP-890)    6 share groups, keyed group:topic id:partition (KIP-932)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int8, Int16, Int32, Since, String, Until


class FindCoordinatorRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 10
    VERSIONS: ClassVar[range] = range(7)
    FLEXIBLE: ClassVar[int | None] = 3

    key: Annotated[String, Until(3)] = ""
    key_type: Annotated[Int8, Since(1)] = 0
    """0 group, 1 transaction, 2 share partition."""
    coordinator_keys: Annotated[Array[String], Since(4)] = ()


class Coordinator(Struct, frozen=True):
    key: String = ""
    node_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""


class FindCoordinatorResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 10
    VERSIONS: ClassVar[range] = range(7)
    FLEXIBLE: ClassVar[int | None] = 3

    throttle_time_ms: Annotated[Int32, Since(1)] = 0
    error_code: Annotated[Int16, Until(3)] = 0
    error_message: Annotated[String | None, Since(1), Until(3)] = ""
    node_id: Annotated[Int32, Until(3)] = 0
    host: Annotated[String, Until(3)] = ""
    port: Annotated[Int32, Until(3)] = 0
    coordinators: Annotated[Array[Coordinator], Since(4)] = ()
