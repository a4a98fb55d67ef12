"""One partition of __share_group_state that this broker leads.

What is wrong with a record costs the share partition that it is about what the record says, and nobody else anything:
records may be delivered once more.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from odradek_broker.coordinators.runtime import CoordinatorPartition
from odradek_broker.loop.defects import survive
from odradek_broker.sharing.share_state import ShareStateCoordinator

if TYPE_CHECKING:
    from odradek.protocol.records.record import Record
    from odradek_broker.sharing.share_state import TimerKind

logger = logging.getLogger(__name__)


class ShareStatePartition(CoordinatorPartition[ShareStateCoordinator]):
    """Hosts the coordinator of the share partitions that belong to one partition."""

    about = "the state of share groups"

    def _time_over(self, timer: TimerKind) -> None:
        """Before that, records that nobody needs any longer go; who comes after us reads from there on.

        What becomes needless now is so only once what has been written instead is committed: that goes the next time.
        """
        log = self.partition.log
        needed = self.coordinator.first_needed_offset(self.partition.high_watermark)
        if needed > log.log_start_offset:
            log.advance_log_start(needed)
        super()._time_over(timer)

    def _tell_what_is_loaded(self) -> None:
        if self.coordinator.states:
            logger.info("%s holds the state of %d share partitions", self.partition, len(self.coordinator.states))

    def _survive_timer(self, timer: TimerKind, defect: Exception) -> None:
        survive(defect, f"{self.partition}: records that nobody needs are kept for longer")
        self.coordinator.begin(self.now())

    def _pass_over(self, record: Record, why: Exception) -> None:
        logger.error(
            "%s, offset %d: passed over: %s; what it says of one share partition is lost",
            *(self.partition, record.offset, why),
        )
