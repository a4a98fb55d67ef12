"""What a subscription by regular expression comes to."""

from __future__ import annotations

from msgspec import Struct


class ResolvedRegex(Struct, frozen=True):
    """The topics whose names a regular expression matches."""

    topics: frozenset[str]
    version: int
    """Of the metadata that was looked through."""
    timestamp_ms: int
