"""What holds for a share group: what it has of its own in the metadata, else what the broker says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from odradek_broker.config.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from odradek_broker.controller.image import ResourceType
from odradek_broker.sharing.settings import ShareSettings

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.controller.image import MetadataImage

EARLIEST, LATEST, BY_DURATION = "earliest", "latest", "by_duration:"
READ_COMMITTED = "read_committed"

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE)
"""Days, hours, minutes and seconds."""


class ShareGroupSettings(Struct, frozen=True, kw_only=True):
    """Of one group."""

    partition: ShareSettings
    auto_offset_reset: str
    is_committed: bool
    """Whether members get records of transactions only once these are committed, and never those of aborted ones."""
    session_timeout_ms: int
    heartbeat_interval_ms: int


def share_group_settings(image: MetadataImage, config: BrokerConfig, group_id: str) -> ShareGroupSettings:
    own = image.config(ResourceType.GROUP, group_id)
    return ShareGroupSettings(
        partition=ShareSettings(
            record_lock_duration_ms=_int(
                own, "share.record.lock.duration.ms", config.group_share_record_lock_duration_ms
            ),
            delivery_count_limit=_int(own, "share.delivery.count.limit", config.group_share_delivery_count_limit),
            partition_max_record_locks=_int(
                own, "share.partition.max.record.locks", config.group_share_partition_max_record_locks
            ),
            renew_acknowledge_enable=own.get("share.renew.acknowledge.enable", "true").lower() == "true",
        ),
        auto_offset_reset=own.get("share.auto.offset.reset", LATEST).lower(),
        is_committed=own.get("share.isolation.level", "").lower() == READ_COMMITTED,
        session_timeout_ms=_int(own, "share.session.timeout.ms", config.group_share_session_timeout_ms),
        heartbeat_interval_ms=_int(own, "share.heartbeat.interval.ms", config.group_share_heartbeat_interval_ms),
    )


def duration_ms(auto_offset_reset: str) -> int | None:
    """Of by_duration:PnDTnHnMn.nS; None for any other text."""
    if not auto_offset_reset.startswith(BY_DURATION):
        return None
    found = _DURATION.fullmatch(auto_offset_reset.removeprefix(BY_DURATION))
    if found is None:
        return None
    days, hours, minutes, seconds = (float(each or 0) for each in found.groups())
    return int(days * DAY_MS + hours * HOUR_MS + minutes * MINUTE_MS + seconds * SECOND_MS)


def _int(own: Mapping[str, str], name: str, default: int) -> int:
    return int(own[name]) if name in own else default
