"""One partition of __transaction_state that this broker leads.

What is wrong with a record costs the transactional id that it is about what the record says, and nobody else anything.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from odradek_broker.coordinators.runtime import CoordinatorPartition
from odradek_broker.loop.defects import survive
from odradek_broker.transactions.coordinator import TransactionCoordinator

if TYPE_CHECKING:
    from odradek.protocol.records.record import Record
    from odradek_broker.loop.bell import Bell
    from odradek_broker.partitions.partition import Partition
    from odradek_broker.ports.clock import Clock
    from odradek_broker.transactions.coordinator import Timer

logger = logging.getLogger(__name__)


class TransactionPartition(CoordinatorPartition[TransactionCoordinator]):
    """Hosts the coordinator of the transactional ids that belong to one partition."""

    about = "transactions"
    follows_commits = True

    def __init__(
        self,
        partition: Partition,
        coordinator: TransactionCoordinator,
        clock: Clock,
        owes: Bell,
        *,
        is_only_copy: bool = False,
    ) -> None:
        """`owes` is set whenever there may be markers to be written."""
        super().__init__(partition, coordinator, clock, is_only_copy=is_only_copy)
        self._owes = owes

    def _committed(self, last_offset: int) -> None:
        if self.coordinator.committed(last_offset):
            self._owes.set()

    def _tell_what_is_loaded(self) -> None:
        if self.coordinator.transactions:
            logger.info("%s holds %d transactional ids", self.partition, len(self.coordinator.transactions))

    def _survive_timer(self, timer: Timer, defect: Exception) -> None:
        survive(defect, f"{self.partition}: {timer.kind.name} of {timer.transactional_id!r} is put off")
        self.coordinator.put_off(timer, self.now())

    def _pass_over(self, record: Record, why: Exception) -> None:
        logger.error(
            "%s, offset %d: passed over: %s; what it says of one transactional id is lost",
            *(self.partition, record.offset, why),
        )
