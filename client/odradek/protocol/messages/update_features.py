"""UpdateFeatures (API key 57), versions 0-2: raise or lower finalized feature levels.

Versions
    1 upgrade_type, validate_only    2 results per feature go
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Int8, Int16, Int32, Since, String, Until


class FeatureUpdateKey(Struct, frozen=True):
    feature: String = ""
    max_version_level: Int16 = 0
    allow_downgrade: Annotated[Boolean, Until(0)] = False
    upgrade_type: Annotated[Int8, Since(1)] = 1


class UpdateFeaturesRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 57
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 0

    timeout_ms: Int32 = 60000
    feature_updates: Array[FeatureUpdateKey] = ()
    validate_only: Annotated[Boolean, Since(1)] = False


class UpdatableFeatureResult(Struct, frozen=True):
    feature: String = ""
    error_code: Int16 = 0
    error_message: String | None = ""


class UpdateFeaturesResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 57
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""
    results: Annotated[Array[UpdatableFeatureResult], Until(1)] = ()
