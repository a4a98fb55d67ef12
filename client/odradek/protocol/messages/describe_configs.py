"""DescribeConfigs (API key 32), versions 1-4: read the configuration of topics, brokers and groups.

Versions
    3 include_documentation, config_type, documentation (KIP-569)    4 flexible
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Int8, Int16, Int32, Since, String


class DescribeConfigsResource(Struct, frozen=True):
    resource_type: Int8 = 0
    """2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group."""
    resource_name: String = ""
    configuration_keys: Array[String] | None = ()
    """Null asks for all keys, and so does an empty list."""


class DescribeConfigsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 32
    VERSIONS: ClassVar[range] = range(1, 5)
    FLEXIBLE: ClassVar[int | None] = 4

    resources: Array[DescribeConfigsResource] = ()
    include_synonyms: Boolean = False
    include_documentation: Annotated[Boolean, Since(3)] = False


class DescribeConfigsSynonym(Struct, frozen=True):
    name: String = ""
    value: String | None = ""
    source: Int8 = 0


class DescribeConfigsResourceResult(Struct, frozen=True):
    name: String = ""
    value: String | None = ""
    read_only: Boolean = False
    config_source: Int8 = -1
    """1 topic, 2 this broker, 3 all brokers, 4 the broker's own file, 5 default, 6 logger, 7 client metrics, 8
    group."""
    is_sensitive: Boolean = False
    synonyms: Array[DescribeConfigsSynonym] = ()
    config_type: Annotated[Int8, Since(3)] = 0
    """1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password."""
    documentation: Annotated[String | None, Since(3)] = ""


class DescribeConfigsResult(Struct, frozen=True):
    error_code: Int16 = 0
    error_message: String | None = ""
    resource_type: Int8 = 0
    resource_name: String = ""
    configs: Array[DescribeConfigsResourceResult] = ()


class DescribeConfigsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 32
    VERSIONS: ClassVar[range] = range(1, 5)
    FLEXIBLE: ClassVar[int | None] = 4

    throttle_time_ms: Int32 = 0
    results: Array[DescribeConfigsResult] = ()
