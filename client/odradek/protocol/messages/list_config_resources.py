"""ListConfigResources (API key 74), versions 0-1: list the resources that have configuration.

Versions
    1 every type, not only client metrics: resource_types, resource_type (KIP-1142)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int8, Int16, Int32, Since, String


class ListConfigResourcesRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 74
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    resource_types: Annotated[Array[Int8], Since(1)] = ()


class ConfigResource(Struct, frozen=True):
    resource_name: String = ""
    resource_type: Annotated[Int8, Since(1)] = 16


class ListConfigResourcesResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 74
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    config_resources: Array[ConfigResource] = ()
