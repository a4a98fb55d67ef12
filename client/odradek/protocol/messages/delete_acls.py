"""DeleteAcls (API key 31), versions 1-3: remove the access control entries that match filters.

Versions
    2 flexible    3 the user resource type (KIP-373)
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int8, Int16, Int32, String


class DeleteAclsFilter(Struct, frozen=True):
    resource_type_filter: Int8 = 0
    """Numbers as in CreateAcls; 1 for any, here and in the filters below."""
    resource_name_filter: String | None = ""
    pattern_type_filter: Int8 = 3
    """3 literal, 4 prefixed, 1 any, 2 whatever applies to the name."""
    principal_filter: String | None = ""
    host_filter: String | None = ""
    operation: Int8 = 0
    permission_type: Int8 = 0


class DeleteAclsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 31
    VERSIONS: ClassVar[range] = range(1, 4)
    FLEXIBLE: ClassVar[int | None] = 2

    filters: Array[DeleteAclsFilter] = ()


class DeleteAclsMatchingAcl(Struct, frozen=True):
    error_code: Int16 = 0
    error_message: String | None = ""
    resource_type: Int8 = 0
    resource_name: String = ""
    pattern_type: Int8 = 3
    principal: String = ""
    host: String = ""
    operation: Int8 = 0
    permission_type: Int8 = 0


class DeleteAclsFilterResult(Struct, frozen=True):
    error_code: Int16 = 0
    error_message: String | None = ""
    matching_acls: Array[DeleteAclsMatchingAcl] = ()


class DeleteAclsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 31
    VERSIONS: ClassVar[range] = range(1, 4)
    FLEXIBLE: ClassVar[int | None] = 2

    throttle_time_ms: Int32 = 0
    filter_results: Array[DeleteAclsFilterResult] = ()
