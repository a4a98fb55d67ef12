"""A transaction's marker reaches a partition: what the leader makes of it (WriteTxnMarkers, and our own coordinator).

A marker may come twice, or late: its coordinator asks again until it is answered, and so does the next coordinator.
With transaction version 2 each marker has an epoch of its own, so a late one is known by it: where the producer has
begun its next transaction in that epoch, the marker is of the one before, which has ended (KIP-1228). Before version 2
a late marker looks like one of the present transaction; only the order of coordinators is checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.write_txn_markers import WritableTxnMarker
from odradek.protocol.records.control import EndTransactionMarker, build_end_transaction_marker
from odradek_broker.controller.image import GROUP_TOPIC
from odradek_broker.log.validation import Refused
from odradek_broker.partitions.commits import Commit
from odradek_broker.transactions.transaction import EPOCH_BUMPS

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.coordinators.groups import GroupsRuntime
    from odradek_broker.partitions.partition import Partition
    from odradek_broker.partitions.replica_manager import ReplicaManager

PIECES = 5
"""What writing one counts for in a slice of work."""


class TransactionMarkers:
    """One for a broker."""

    def __init__(self, context: NodeContext, replicas: ReplicaManager, groups: GroupsRuntime) -> None:
        self._context = context
        self._replicas = replicas
        self._groups = groups

    def write(self, topic: str, index: int, marker: WritableTxnMarker) -> Commit | ErrorCode:
        """Append the marker where this broker leads the partition: what to wait for, or why not."""
        partition = self._replicas.partition(topic, index)
        if isinstance(partition, ErrorCode):
            return partition
        error = _check(partition, marker)
        if error:
            return error
        if _is_there(partition, marker):
            return partition.commit_of(partition.log.log_end_offset - 1)
        partition.admissions.pop(marker.producer_id, None)
        end = EndTransactionMarker(marker.transaction_result, marker.coordinator_epoch)
        now_ms = self._context.clock.now_ms()
        batch = build_end_transaction_marker(marker.producer_id, marker.producer_epoch, end, now_ms)
        appended = partition.append_internal(batch)
        if isinstance(appended, Refused):
            return appended.error
        if topic == GROUP_TOPIC:
            self._groups.complete_transaction(index, marker.producer_id, commit=marker.transaction_result)
        return partition.commit_of(appended.last_offset)


def _check(partition: Partition, marker: WritableTxnMarker) -> ErrorCode:
    producers, epoch = partition.log.producers, marker.producer_epoch
    error = producers.check_marker(marker.producer_id, epoch, marker.coordinator_epoch)
    if error:
        return error
    is_late = marker.transaction_version >= EPOCH_BUMPS and producers.has_open_transaction(marker.producer_id, epoch)
    return ErrorCode.INVALID_PRODUCER_EPOCH if is_late else ErrorCode.NONE


def _is_there(partition: Partition, marker: WritableTxnMarker) -> bool:
    """Whether the log has it: with an epoch of its own nothing else has brought the producer to that epoch."""
    producer = partition.log.producers.producers.get(marker.producer_id)
    return (
        marker.transaction_version >= EPOCH_BUMPS
        and producer is not None
        and producer.epoch == marker.producer_epoch
        and not producer.batches
    )
