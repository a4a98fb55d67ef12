"""Which replica a consumer had best read from (KIP-392; Kafka: RackAwareReplicaSelector.java)."""

from __future__ import annotations

from collections.abc import Mapping

from odradek_broker.replication.leader import Leadership


def preferred_replica(
    leadership: Leadership, racks: Mapping[int, str | None], consumer_rack: str, offset: int
) -> int | None:
    """A follower in the consumer's rack that is in sync and has the offset, the one that has most; None for the leader.

    `racks`: where each broker stands that is not fenced.
    """
    if not consumer_rack or racks.get(leadership.node_id) == consumer_rack:
        return None
    near = [
        (leadership.offset_of(replica), -replica)
        for replica in leadership.isr
        if replica != leadership.node_id and racks.get(replica) == consumer_rack
    ]
    reached = [(end_offset, order) for end_offset, order in near if end_offset >= offset]
    return -max(reached)[1] if reached else None
