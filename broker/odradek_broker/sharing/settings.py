"""What operators decide about share groups."""

from __future__ import annotations

from msgspec import Struct


class ShareSettings(Struct, frozen=True, kw_only=True):
    """Of one share partition: the broker's settings, with what its group has of its own."""

    record_lock_duration_ms: int = 30_000
    delivery_count_limit: int = 5
    partition_max_record_locks: int = 2000
    renew_acknowledge_enable: bool = True


class ShareStateSettings(Struct, frozen=True, kw_only=True):
    """Of a share coordinator."""

    snapshot_update_records_per_snapshot: int = 500
    """So many updates of a share partition follow a snapshot before there is another."""
    prune_interval_ms: int = 300_000
    """How often records are deleted that nobody needs any longer."""
