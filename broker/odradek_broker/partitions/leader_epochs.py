"""Which leader epoch a client believes in, against the partition's own (KIP-320)."""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek_broker.partitions.partition import Partition

UNSAID = -1


def check_leader_epoch(partition: Partition, believed: int) -> ErrorCode:
    """NONE, or who of the two is behind."""
    if believed == UNSAID or believed == partition.leader_epoch:
        return ErrorCode.NONE
    if believed < partition.leader_epoch:
        return ErrorCode.FENCED_LEADER_EPOCH
    return ErrorCode.UNKNOWN_LEADER_EPOCH
