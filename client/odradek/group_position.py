"""How far a member of a group is: what a consumer gives to a transaction."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from odradek.protocol.topic_partition import TopicPartition


class GroupPosition(Struct, frozen=True):
    """Offsets, and the member as whom they are committed (its generation fences it, KIP-447)."""

    group: str
    generation: int
    member_id: str
    instance_id: str | None
    offsets: Mapping[TopicPartition, int]
