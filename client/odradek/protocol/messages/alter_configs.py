"""AlterConfigs (API key 33), versions 0-2: replace the whole configuration of a resource; IncrementalAlterConfigs is
the better one.

Versions
    2 flexible
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Int8, Int16, Int32, String


class AlterableConfig(Struct, frozen=True):
    name: String = ""
    value: String | None = ""


class AlterConfigsResource(Struct, frozen=True):
    resource_type: Int8 = 0
    resource_name: String = ""
    configs: Array[AlterableConfig] = ()


class AlterConfigsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 33
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 2

    resources: Array[AlterConfigsResource] = ()
    validate_only: Boolean = False


class AlterConfigsResourceResponse(Struct, frozen=True):
    error_code: Int16 = 0
    error_message: String | None = ""
    resource_type: Int8 = 0
    resource_name: String = ""


class AlterConfigsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 33
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 2

    throttle_time_ms: Int32 = 0
    responses: Array[AlterConfigsResourceResponse] = ()
