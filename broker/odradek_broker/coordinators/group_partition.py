"""One partition of __consumer_offsets that this broker leads.

What is wrong with a record, or goes wrong when a group's time has come, stays with that group: at worst it loses its
members, who are told to join again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from odradek.protocol.primitives import ProtocolError
from odradek_broker.coordinators.runtime import CoordinatorPartition
from odradek_broker.groups.coordinator import GroupCoordinator
from odradek_broker.groups.records import subject_of
from odradek_broker.log.replay import marker_in
from odradek_broker.loop.defects import survive

if TYPE_CHECKING:
    from odradek.protocol.records.batch import BatchHeader
    from odradek.protocol.records.record import Record
    from odradek_broker.groups.timers import Timer

logger = logging.getLogger(__name__)


class GroupPartition(CoordinatorPartition[GroupCoordinator]):
    """Hosts the coordinator of the groups that belong to one partition."""

    about = "groups and their offsets"

    def complete_transaction(self, producer_id: int, *, commit: bool) -> None:
        """The marker of a transaction has been appended to the partition."""
        self.coordinator.complete_transaction(producer_id, commit=commit)
        self._appended_offset = self.partition.log.log_end_offset - 1

    def _tell_what_is_loaded(self) -> None:
        if self.coordinator.groups:
            logger.info("%s holds %d groups", self.partition, len(self.coordinator.groups))

    def _survive_timer(self, timer: Timer, defect: Exception) -> None:
        survive(defect, f"{self.partition}: group {timer.group_id!r} loses its members, who have to join again")
        self.carry_out(self.coordinator.disband(timer.group_id, self.now()))

    def _replay_control(self, batch: memoryview, header: BatchHeader) -> None:
        marker = marker_in(batch)
        if marker is not None:
            self.coordinator.complete_transaction(header.producer_id, commit=marker.committed)

    def _pass_over(self, record: Record, why: Exception) -> None:
        """What is said of the members of a group can be had again from them; of an offset only by another commit."""
        consequence = "nothing else is lost"
        try:
            group_id, partition = subject_of(record.key or b"")
        except ProtocolError:
            pass
        else:
            if partition:
                consequence = f"for {partition} group {group_id!r} goes on from what it had committed before"
            else:
                consequence = f"the members of group {group_id!r} have to join again; its offsets are kept"
                self.coordinator.disband(group_id, self.now())
        logger.error("%s, offset %d: passed over: %s; %s", self.partition, record.offset, why, consequence)
