"""What holds for a share group: what it has of its own in the metadata, else what the broker says."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from odradek_broker.config.group_keys import group_value
from odradek_broker.controller.image import ResourceType
from odradek_broker.sharing.settings import ShareSettings

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.controller.image import MetadataImage

EARLIEST = "earliest"
READ_COMMITTED = "read_committed"


class ShareGroupSettings(Struct, frozen=True, kw_only=True):
    """Of one group."""

    partition: ShareSettings
    auto_offset_reset: str
    is_committed: bool
    """Whether members get records of transactions only once these are committed, and never those of aborted ones."""
    dead_letter_topic: str
    """Where what is given up is written; "" for nowhere."""
    dead_letters_copy: bool
    """Whether with the records themselves."""
    session_timeout_ms: int
    heartbeat_interval_ms: int


def share_group_settings(image: MetadataImage, config: BrokerConfig, group_id: str) -> ShareGroupSettings:
    value = partial(group_value, config, image.config(ResourceType.GROUP, group_id))
    return ShareGroupSettings(
        partition=ShareSettings(
            record_lock_duration_ms=value("share.record.lock.duration.ms"),
            delivery_count_limit=value("share.delivery.count.limit"),
            partition_max_record_locks=value("share.partition.max.record.locks"),
            renew_acknowledge_enable=value("share.renew.acknowledge.enable"),
        ),
        auto_offset_reset=value("share.auto.offset.reset").lower(),
        is_committed=value("share.isolation.level") == READ_COMMITTED,
        dead_letter_topic=value("errors.deadletterqueue.topic.name"),
        dead_letters_copy=value("errors.deadletterqueue.copy.record.enable"),
        session_timeout_ms=value("share.session.timeout.ms"),
        heartbeat_interval_ms=value("share.heartbeat.interval.ms"),
    )
