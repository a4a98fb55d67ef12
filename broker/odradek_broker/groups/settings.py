"""What an operator can set about groups."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct


class ConsumerGroupSettings(Struct, frozen=True, kw_only=True):
    """What a group of the consumer protocol may have of its own."""

    session_timeout_ms: int
    heartbeat_interval_ms: int
    assignment_interval_ms: int


class GroupSettings(Struct, frozen=True, kw_only=True):
    """The keys of the broker's configuration that the coordinator goes by, under Kafka's names."""

    group_initial_rebalance_delay_ms: int = 3_000
    group_min_session_timeout_ms: int = 6_000
    group_max_session_timeout_ms: int = 1_800_000
    group_max_size: int = 2**31 - 1
    offset_metadata_max_bytes: int = 4096
    offsets_retention_ms: int = 7 * 24 * 3_600_000
    offsets_retention_check_interval_ms: int = 600_000
    group_share_session_timeout_ms: int = 45_000
    group_consumer_session_timeout_ms: int = 45_000
    group_consumer_heartbeat_interval_ms: int = 5_000
    group_consumer_max_size: int = 2**31 - 1
    group_consumer_assignors: tuple[str, ...] = ("uniform", "range")
    """The first is that of groups whose members do not prefer any."""
    group_consumer_assignment_interval_ms: int = 1_000
    group_consumer_migration_policy: str = "bidirectional"
    group_consumer_regex_refresh_interval_ms: int = 600_000
    own: Mapping[str, ConsumerGroupSettings] = MappingProxyType({})
    """Of groups that have settings of their own."""
    own_share_session_timeout_ms: Mapping[str, int] = MappingProxyType({})
    """Of share groups that have one of their own."""

    def share_session_ms(self, group_id: str) -> int:
        """How long a member of a share group may be silent."""
        return self.own_share_session_timeout_ms.get(group_id, self.group_share_session_timeout_ms)

    def of_consumers(self, group_id: str) -> ConsumerGroupSettings:
        """What holds for one group of the consumer protocol."""
        return self.own.get(group_id) or ConsumerGroupSettings(
            session_timeout_ms=self.group_consumer_session_timeout_ms,
            heartbeat_interval_ms=self.group_consumer_heartbeat_interval_ms,
            assignment_interval_ms=self.group_consumer_assignment_interval_ms,
        )
