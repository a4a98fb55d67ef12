"""What `ShareConsumer.health()` tells."""

from __future__ import annotations

from msgspec import Struct

from odradek.activity import Waiting
from odradek.cluster.connections import ConnectionHealth
from odradek.protocol.topic_partition import TopicPartition


class ShareConsumerHealth(Struct, frozen=True):
    """What a share consumer is doing at this moment."""

    connections: list[ConnectionHealth]
    waiting: list[Waiting]
    """What is being waited for, oldest first."""
    member_id: str
    member_epoch: int
    """0 while the group does not know us."""
    coordinator: int | None
    assignment: list[TopicPartition]
    """What we fetch; others may fetch it too."""
    fetched_count: int
    """Records that are ours, and were not handed out yet."""
    undecided_count: int
    """Records that were handed out last, and of which nothing is said."""
    is_settled: bool
    """All that was said is stored, or was refused."""
    refused_count: int
    """Verdicts that did not count, since `commit` has raised one."""
