"""Finalized features: what may be raised, what may be lowered, and who is told why not."""

from __future__ import annotations

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.metadata_records import FeatureLevelRecord
from odradek.protocol.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest
from odradek_broker.controller.features import SAFE_DOWNGRADE, UPGRADE, update_features
from odradek_broker.controller.image import TRANSACTION_VERSION, MetadataImage

AT_1 = MetadataImage(features={TRANSACTION_VERSION: 1})
NONE, WRONG, INVALID = ErrorCode.NONE, ErrorCode.INVALID_UPDATE_VERSION, ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize(
    ("feature", "level", "kind", "error"),
    [
        (TRANSACTION_VERSION, 2, UPGRADE, NONE),
        (TRANSACTION_VERSION, 1, UPGRADE, NONE),
        (TRANSACTION_VERSION, 0, SAFE_DOWNGRADE, NONE),
        (TRANSACTION_VERSION, 0, UPGRADE, WRONG),
        (TRANSACTION_VERSION, 2, SAFE_DOWNGRADE, WRONG),
        (TRANSACTION_VERSION, 3, UPGRADE, WRONG),
        (TRANSACTION_VERSION, -1, SAFE_DOWNGRADE, WRONG),
        ("metadata.version", 7, SAFE_DOWNGRADE, WRONG),
        ("no.such.version", 1, UPGRADE, WRONG),
    ],
)
def test_a_level_changes_as_it_was_asked_for_or_not_at_all(feature: str, level: int, kind: int, error: int) -> None:
    request = UpdateFeaturesRequest(feature_updates=[FeatureUpdateKey(feature, level, upgrade_type=kind)])
    result = update_features(AT_1, request, 2)
    assert result.response.error_code == error
    changed = not error and level != 1
    assert result.records == ([FeatureLevelRecord(name=feature, feature_level=level)] if changed else [])


def test_in_version_0_a_downgrade_has_to_be_allowed() -> None:
    for allowed in (True, False):
        update = FeatureUpdateKey(TRANSACTION_VERSION, 0, allow_downgrade=allowed)
        response = update_features(AT_1, UpdateFeaturesRequest(feature_updates=[update]), 0).response
        assert (response.error_code == NONE) is allowed


def test_to_validate_only_changes_nothing() -> None:
    update = FeatureUpdateKey(TRANSACTION_VERSION, 2)
    for validate_only in (True, False):
        request = UpdateFeaturesRequest(feature_updates=[update], validate_only=validate_only)
        assert bool(update_features(AT_1, request, 2).records) is not validate_only


def test_one_that_cannot_be_fails_the_others_and_twice_is_no_request() -> None:
    good, bad = FeatureUpdateKey(TRANSACTION_VERSION, 2), FeatureUpdateKey("bogus", 1)
    for updates, error in (([good, bad], WRONG), ([bad, bad], WRONG), ([], NONE), ([good, good], INVALID)):
        result = update_features(AT_1, UpdateFeaturesRequest(feature_updates=updates), 2)
        assert (result.response.error_code, result.records) == (error, [])
