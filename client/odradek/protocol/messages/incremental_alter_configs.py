"""IncrementalAlterConfigs (API key 44), versions 0-1: set, delete, append to or subtract from single configuration
keys (KIP-339).

Versions
    1 flexible
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Int8, Int16, Int32, String


class AlterableConfig(Struct, frozen=True):
    name: String = ""
    config_operation: Int8 = 0
    """0 set, 1 delete, 2 append to a list, 3 subtract from a list."""
    value: String | None = ""


class AlterConfigsResource(Struct, frozen=True):
    resource_type: Int8 = 0
    resource_name: String = ""
    configs: Array[AlterableConfig] = ()


class IncrementalAlterConfigsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 44
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 1

    resources: Array[AlterConfigsResource] = ()
    validate_only: Boolean = False


class AlterConfigsResourceResponse(Struct, frozen=True):
    error_code: Int16 = 0
    error_message: String | None = ""
    resource_type: Int8 = 0
    resource_name: String = ""


class IncrementalAlterConfigsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 44
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 1

    throttle_time_ms: Int32 = 0
    responses: Array[AlterConfigsResourceResponse] = ()
