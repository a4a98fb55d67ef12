"""Features and their finalized levels (KIP-584): what the whole cluster has agreed to do.

A level can be raised and lowered at any time: each broker reads it from the metadata. What has been recorded by a
higher level stays readable.
"""

from __future__ import annotations

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.metadata_records import FeatureLevelRecord
from odradek.protocol.messages.update_features import (
    FeatureUpdateKey,
    UpdatableFeatureResult,
    UpdateFeaturesRequest,
    UpdateFeaturesResponse,
)
from odradek_broker.controller.image import GROUP_VERSION, SHARE_VERSION, TRANSACTION_VERSION, MetadataImage
from odradek_broker.controller.result import ControllerResult

SUPPORTED = {GROUP_VERSION: range(2), TRANSACTION_VERSION: range(3), SHARE_VERSION: range(3)}
"""Those that an operator can change, with all their levels."""

BOOTSTRAP = {"metadata.version": 30, GROUP_VERSION: 1, TRANSACTION_VERSION: 2, SHARE_VERSION: 2}
"""Levels that a new journal begins with. metadata.version 30 is what Kafka 4.3 writes its records in."""

UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE = 1, 2, 3
PER_FEATURE_UNTIL_VERSION = 1


def update_features(
    image: MetadataImage, request: UpdateFeaturesRequest, version: int
) -> ControllerResult[UpdateFeaturesResponse]:
    """All or none: one that cannot be fails the others with it."""
    updates = request.feature_updates
    faults = {update.feature: _fault(image, update, version) for update in updates}
    wrong = next(((name, fault) for name, fault in faults.items() if fault is not None), None)
    if wrong is not None:
        name, why = wrong
        message = f"{name}: {why}"
        return ControllerResult(
            [], UpdateFeaturesResponse(error_code=ErrorCode.INVALID_UPDATE_VERSION, error_message=message)
        )
    if len(faults) < len(updates):
        why = "a feature is named twice"
        return ControllerResult([], UpdateFeaturesResponse(error_code=ErrorCode.INVALID_REQUEST, error_message=why))
    records: list[Struct] = [
        FeatureLevelRecord(name=update.feature, feature_level=update.max_version_level)
        for update in updates
        if image.features.get(update.feature, 0) != update.max_version_level
    ]
    results = [UpdatableFeatureResult(update.feature, error_message=None) for update in updates]
    response = UpdateFeaturesResponse(
        error_message=None, results=results if version <= PER_FEATURE_UNTIL_VERSION else ()
    )
    return ControllerResult([] if request.validate_only else records, response)


def _fault(image: MetadataImage, update: FeatureUpdateKey, version: int) -> str | None:
    levels = SUPPORTED.get(update.feature)
    if levels is None:
        return "this cluster does not support it, or it cannot be changed"
    wanted, present = update.max_version_level, image.features.get(update.feature, 0)
    if wanted not in levels:
        return f"level {wanted} is none of {levels.start} to {levels.stop - 1}"
    may_lower = update.allow_downgrade if version == 0 else update.upgrade_type in (SAFE_DOWNGRADE, UNSAFE_DOWNGRADE)
    if wanted < present and not may_lower:
        return f"{wanted} is below {present}, and no downgrade was asked for"
    if wanted > present and version > 0 and update.upgrade_type != UPGRADE:
        return f"{wanted} is above {present}, and a downgrade was asked for"
    return None
