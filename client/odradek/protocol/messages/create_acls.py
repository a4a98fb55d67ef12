"""CreateAcls (API key 30), versions 1-3: add access control entries.

Versions
    2 flexible    3 the user resource type (KIP-373)
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int8, Int16, Int32, String


class AclCreation(Struct, frozen=True):
    resource_type: Int8 = 0
    """1 any, 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user."""
    resource_name: String = ""
    resource_pattern_type: Int8 = 3
    """3 literal, 4 prefixed."""
    principal: String = ""
    host: String = ""
    operation: Int8 = 0
    """2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9 cluster action, 10 describe configs, 11
    alter configs, 12 idempotent write, 13 create tokens, 14 describe tokens, 15 two-phase commit."""
    permission_type: Int8 = 0
    """2 deny, 3 allow."""


class CreateAclsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 30
    VERSIONS: ClassVar[range] = range(1, 4)
    FLEXIBLE: ClassVar[int | None] = 2

    creations: Array[AclCreation] = ()


class AclCreationResult(Struct, frozen=True):
    error_code: Int16 = 0
    error_message: String | None = ""


class CreateAclsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 30
    VERSIONS: ClassVar[range] = range(1, 4)
    FLEXIBLE: ClassVar[int | None] = 2

    throttle_time_ms: Int32 = 0
    results: Array[AclCreationResult] = ()
