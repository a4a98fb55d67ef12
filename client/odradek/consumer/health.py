"""What `Consumer.health()` tells."""

from __future__ import annotations

from msgspec import Struct

from odradek.activity import Waiting
from odradek.cluster.connections import ConnectionHealth
from odradek.protocol.topic_partition import TopicPartition


class PartitionHealth(Struct, frozen=True):
    """One assigned partition. Offsets are None while they are not known."""

    partition: TopicPartition
    leader: int
    position: int | None
    finished: int | None
    committed: int | None
    lag: int | None
    """Records from the position to the end, as they were counted last; before that, offsets."""
    lag_bytes: int | None
    """Of the batches that hold them; None where they were not counted."""
    lag_age_s: float | None
    """Of the record that comes next, when it was counted; None where there is none, or it is not known."""
    counted_s: float | None
    """How long ago the broker has counted; None where `lag` is a number of offsets, some of which may be no records."""
    buffered_bytes: int
    paused: bool
    why_idle: str | None
    """Why nothing is being fetched of it; None where it is, or where nothing new is there."""


class GroupHealth(Struct, frozen=True):
    """The group as this member sees it."""

    group: str
    protocol: str
    """By which we take part in it: classic or consumer."""
    state: str
    member_id: str
    generation: int
    coordinator: int | None
    last_rebalance: str
    """The cause of the last one."""


class ConsumerHealth(Struct, frozen=True):
    """What a consumer is doing at this moment."""

    connections: list[ConnectionHealth]
    waiting: list[Waiting]
    """What is being waited for, oldest first."""
    partitions: list[PartitionHealth]
    group: GroupHealth | None
    in_progress_s: float
    """For how long the program has had the records that it has; 0 where it has none."""

    @property
    def lag(self) -> int | None:
        """Of all partitions together; None while one is not known."""
        lags = [partition.lag for partition in self.partitions]
        return None if any(lag is None for lag in lags) else sum(lag or 0 for lag in lags)
