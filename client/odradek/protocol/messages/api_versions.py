"""ApiVersions (API key 18), versions 0-5: ask which APIs and features a broker has; the first request of every
connection.

The response has the old header in every version, so that it can be read before anything is agreed on.

Versions
    1 throttle_time_ms
    3 client_software_name, client_software_version, flexible, supported_features, finalized_features_epoch,
      finalized_features, zk_migration_ready (KIP-511, KIP-584, KIP-866)
    4 supported features with minimum 0 are no longer left out
    5 cluster_id, node_id: whom the client means to ask; REBOOTSTRAP_REQUIRED where it is another (KIP-1242)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Int16, Int32, Int64, Since, String, Tag


class ApiVersionsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 18
    VERSIONS: ClassVar[range] = range(6)
    FLEXIBLE: ClassVar[int | None] = 3

    client_software_name: Annotated[String, Since(3)] = ""
    client_software_version: Annotated[String, Since(3)] = ""
    cluster_id: Annotated[String | None, Since(5)] = None
    node_id: Annotated[Int32, Since(5)] = -1


class ApiVersion(Struct, frozen=True):
    api_key: Int16 = 0
    min_version: Int16 = 0
    max_version: Int16 = 0


class SupportedFeatureKey(Struct, frozen=True):
    name: String = ""
    min_version: Int16 = 0
    max_version: Int16 = 0


class FinalizedFeatureKey(Struct, frozen=True):
    name: String = ""
    max_version_level: Int16 = 0
    min_version_level: Int16 = 0


class ApiVersionsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 18
    VERSIONS: ClassVar[range] = range(6)
    FLEXIBLE: ClassVar[int | None] = 3

    error_code: Int16 = 0
    api_keys: Array[ApiVersion] = ()
    throttle_time_ms: Annotated[Int32, Since(1)] = 0
    supported_features: Annotated[Array[SupportedFeatureKey], Since(3), Tag(0)] = ()
    finalized_features_epoch: Annotated[Int64, Since(3), Tag(1)] = -1
    """-1 where it is not known."""
    finalized_features: Annotated[Array[FinalizedFeatureKey], Since(3), Tag(2)] = ()
    zk_migration_ready: Annotated[Boolean, Since(3), Tag(3)] = False
