"""What a follower keeps of what its leader sends: records are appended, and what parts from the leader's log is cut.

Invariants
    The offset that a leader reads in a fetch says what the follower has for good, whoever wrote it, and whenever: a
    partition is not asked for while anything of it is still on its way to the disk, be it from an earlier leader, or
    from when this broker led itself. So does the start of the log that it tells.
    A log that has a gap, since its broker has led with what it had, is mended while it is not in sync, and then it is
    asked for what comes at the gap: in sync it may be the next to lead, and what lies behind the gap is its to keep.
    What was cut is gone from the disk before anything is written in its place, whatever log.flush.policy is.
    A log that is not in sync, and has to be cut before records for which compaction has removed others, begins anew.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import FetchResponse, PartitionData
from odradek_broker.log.failures import LogFailed, OffsetOutOfRange, OffsetsOutOfOrder
from odradek_broker.log.offset_checkpoints import LOG_START_OFFSETS
from odradek_broker.loop.defects import survive
from odradek_broker.loop.troubles import Troubles
from odradek_broker.partitions.checkpoints import Cut
from odradek_broker.replication.truncation import truncation_offset

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.log.cuttable import ProducersAt
    from odradek_broker.log.log import Log
    from odradek_broker.partitions.checkpoints import Checkpoints
    from odradek_broker.partitions.flusher import Flusher
    from odradek_broker.partitions.partition import Partition
    from odradek_broker.replication.throttle import Throttle

logger = logging.getLogger(__name__)

Key: TypeAlias = tuple[bytes, int]
"""Topic id and index."""

RETRY_SECONDS = 0.05
DEFECT_SECONDS = 30
STARTS, CUTS = "starts", "cuts"
"""Subjects of trouble besides single partitions."""
EXPECTED = {
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
    ErrorCode.FENCED_LEADER_EPOCH,
    ErrorCode.UNKNOWN_LEADER_EPOCH,
    ErrorCode.UNKNOWN_TOPIC_ID,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
}
"""Leader and follower learn of a new topic, or leader epoch, one after the other."""


class Asked(NamedTuple):
    """What a fetch says of one partition."""

    leader_epoch: int
    offset: int


class Follower:
    """Of one leader."""

    def __init__(self, context: NodeContext, flusher: Flusher, checkpoints: Checkpoints, throttle: Throttle) -> None:
        self._context = context
        self._flusher = flusher
        self._checkpoints = checkpoints
        self._throttle = throttle
        self._rest_until: dict[Key, float] = {}
        self._troubles = Troubles(logger)
        self._has_moved_starts = False

    # ----------------------------------------------------------------------------------------------- before a fetch

    def due(self, partitions: dict[Key, Partition], now: float) -> dict[Key, Partition]:
        """Not those that hold anything which is not on stable storage, or whose log has failed: a fetch would lie."""
        self._rest_until = {key: until for key, until in self._rest_until.items() if until > now}
        return {
            key: each
            for key, each in partitions.items()
            if key not in self._rest_until
            and each.log.failed is None
            and not self._is_behind_its_end(each)
            and not self._is_held_back(each)
        }

    def _is_behind_its_end(self, partition: Partition) -> bool:
        """Whether something that it holds is still to be flushed."""
        return self._flusher.syncs and partition.log.flushed_offset < partition.log.log_end_offset

    def is_behind(self, partitions: Iterable[Partition]) -> bool:
        """Whether there is anything to wait for (`wait_flushed`)."""
        return self._flusher.syncs and any(self._is_behind_its_end(each) for each in partitions)

    async def wait_flushed(self, partitions: Iterable[Partition]) -> None:
        behind = [each for each in partitions if self._is_behind_its_end(each) and each.log.failed is None]
        for partition in behind:
            self._flusher.flush_soon(partition)
        for partition in behind:
            await partition.wait_flushed()

    def _is_held_back(self, partition: Partition) -> bool:
        if not partition.throttled_as_follower:
            return False
        if self._may_be_in_sync(partition):
            return False
        rate = self._context.config.follower_replication_throttled_rate
        return self._throttle.is_exceeded(rate, self._context.clock.monotonic_ms())

    def _may_be_in_sync(self, partition: Partition) -> bool:
        image = self._context.image.partition(partition.topic, partition.index)
        return image is None or self._context.node_id in image.isr

    def offset_to_ask(self, partition: Partition) -> int:
        """The end of the log; but where it has a gap, and is not in sync, the beginning of that."""
        log = partition.log
        gap = log.recovery.gap_at_offset if log.recovery is not None else -1
        return log.log_end_offset if gap < 0 or self._may_be_in_sync(partition) else gap

    def start_to_tell(self, partition: Partition) -> int:
        """Where the log will begin after a power cut, at the least."""
        start_written = self._checkpoints.log_start_written(partition)
        self._has_moved_starts = self._has_moved_starts or start_written < partition.log.log_start_offset
        return start_written

    def forget_rests(self) -> None:
        """Others lead: whatever a partition was to wait for is over."""
        self._rest_until.clear()

    # --------------------------------------------------------------------------------------------------- the answer

    async def take(self, asked: dict[Key, Partition], said: dict[Key, Asked], answer: FetchResponse) -> None:
        grown: list[tuple[Partition, PartitionData]] = []
        cuts: dict[Partition, Cut] = {}
        begun_inside: list[tuple[Partition, PartitionData, int]] = []
        for topic in answer.responses:
            for data in topic.partitions:
                key = (topic.topic_id, data.partition_index)
                partition = asked.get(key)
                if partition is None or not self._still_follows(partition, said[key].leader_epoch):
                    continue
                start, cut = partition.log.log_start_offset, self._cut_to_make(partition, data, said[key].offset)
                if cut is not None:
                    cuts[partition] = cut
                    if cut.whole and _begins_with_batch_of(data, partition.log, cut.offset):
                        begun_inside.append((partition, data, start))
                elif self._has_taken(partition, data):
                    grown.append((partition, data))
        if cuts:
            await self._cut(cuts, said)
        for partition, data, start in begun_inside:
            follows = self._still_follows(partition, said[partition.topic_id, partition.index].leader_epoch)
            is_cut = follows and partition.log.log_end_offset == cuts[partition].offset
            if is_cut and self._has_taken(partition, data, start):
                grown.append((partition, data))
        await self.wait_flushed(partition for partition, _ in grown)
        for partition, data in grown:
            follows = self._still_follows(partition, said[partition.topic_id, partition.index].leader_epoch)
            if follows and not self._is_behind_its_end(partition):
                partition.commit_up_to(min(data.high_watermark, partition.log.log_end_offset))
        if self._has_moved_starts:
            await self._write_starts()

    async def _write_starts(self) -> None:
        """The leader waits to be told: it may have been asked to delete records (DeleteRecords)."""
        try:
            await self._checkpoints.write((LOG_START_OFFSETS,))
            self._has_moved_starts = False
            self._troubles.over(STARTS)
        except OSError as error:
            self._troubles.tell(STARTS, f"cannot write down where logs begin: {error}")

    def _still_follows(self, partition: Partition, epoch: int) -> bool:
        return partition.leadership is None and partition.leader_epoch == epoch and partition.log.failed is None

    def _has_taken(self, partition: Partition, data: PartitionData, start: int = 0) -> bool:
        """Whether the log has grown. It begins at `start`, or where the leader's does, if that is later."""
        key = (partition.topic_id, partition.index)
        try:
            return self._take_one(key, partition, data, start)
        except (OSError, LogFailed, OffsetsOutOfOrder, OffsetOutOfRange) as error:
            # A leader whose disk has gone bad sends the same again and again.
            self._troubles.tell(key, f"{partition}: cannot take what its leader has sent: {error}")
            self._rest(key, self._context.config.replica_fetch_backoff_ms / 1000)
            return False
        except Exception as defect:
            survive(defect, f"{partition} is not fetched for {DEFECT_SECONDS} s; everything else goes on")
            self._rest(key, DEFECT_SECONDS)
            return False

    def _take_one(self, key: Key, partition: Partition, data: PartitionData, start: int) -> bool:
        """Raises OSError, LogFailed, OffsetsOutOfOrder, OffsetOutOfRange."""
        log = partition.log
        if data.error_code:
            self._take_refusal(key, partition, ErrorCode.from_code(data.error_code))
            return False
        records = data.records
        if isinstance(records, memoryview) and len(records):
            log.append_as_follower(records, now_ms=self._context.clock.now_ms())
            if partition.throttled_as_follower:
                rate, now_ms = (
                    self._context.config.follower_replication_throttled_rate,
                    self._context.clock.monotonic_ms(),
                )
                self._throttle.note(len(records), rate, now_ms)
        self._troubles.over(key)
        start = max(data.log_start_offset, start)
        if start > log.log_start_offset:
            log.advance_log_start(min(start, log.log_end_offset))
            self._has_moved_starts = True
        if isinstance(records, memoryview) and len(records):
            return True
        partition.commit_up_to(min(data.high_watermark, log.log_end_offset))
        return False

    def _take_refusal(self, key: Key, partition: Partition, code: ErrorCode) -> None:
        if code in EXPECTED:
            logger.debug("%s: its leader answers %s", partition, code.name)
            self._rest(key, RETRY_SECONDS)
        else:
            self._troubles.tell(key, f"{partition}: its leader answers {code.name}", logging.WARNING)
            self._rest(key, self._context.config.replica_fetch_backoff_ms / 1000)

    async def _cut(self, cuts: dict[Partition, Cut], said: dict[Key, Asked]) -> None:
        """Where a log parts from its leader's it is cut, once nothing on disk claims any more what goes."""
        try:
            async with self._checkpoints.before_cut(cuts) as ahead:
                for partition, cut in cuts.items():
                    if self._still_follows(partition, said[partition.topic_id, partition.index].leader_epoch):
                        self._cut_one(partition, cut, ahead.get(partition))
            self._troubles.over(CUTS)
            await self._sync_cuts(cuts)
        except OSError as error:
            self._troubles.tell(CUTS, f"cannot take back what is written of logs that are to be cut: {error}")
            for partition in cuts:
                self._rest((partition.topic_id, partition.index), self._context.config.replica_fetch_backoff_ms / 1000)

    async def _sync_cuts(self, cuts: Iterable[Partition]) -> None:
        """Before anything is written where something was cut. Else a power cut may bring back what was cut beneath what
        came later: both are whole, their epochs are in order, and no leader would find the difference.

        Where nothing is acknowledged before it is synced, the sync that comes before the answer does that.
        """
        if self._flusher.syncs:
            return
        await self._flusher.wait_idle()  # a flush that is under way has begun before the cut
        for partition in cuts:
            if partition.log.failed is None and not partition.log.is_closed:
                self._flusher.flush_soon(partition)
        await self._flusher.wait_idle()

    def _cut_one(self, partition: Partition, cut: Cut, ahead: ProducersAt | None) -> None:
        log = partition.log
        try:
            if cut.whole:
                logger.warning("%s: begins again at offset %d, as its leader has it", partition, cut.offset)
                log.truncate_fully_and_start_at(cut.offset)
                self._has_moved_starts = True
            else:
                logger.warning(
                    "%s: cutting %d records off at offset %d, which its leader does not have",
                    partition,
                    log.log_end_offset - cut.offset,
                    cut.offset,
                )
                log.truncate_to(cut.offset, ahead)
        except OSError as error:
            key = (partition.topic_id, partition.index)
            self._troubles.tell(key, f"{partition}: cannot be cut: {error}")
            self._rest(key, self._context.config.replica_fetch_backoff_ms / 1000)
            return
        partition.truncated()
        if self._flusher.syncs and log.flushed_offset < log.log_end_offset:
            self._flusher.flush_soon(partition)

    def _rest(self, key: Key, seconds: float) -> None:
        self._rest_until[key] = trio.current_time() + seconds

    def _cut_to_make(self, partition: Partition, data: PartitionData, asked_offset: int) -> Cut | None:
        log, cut = partition.log, _cut_to_make(partition.log, data, asked_offset)
        if cut is None or cut.whole or not log.log_start_offset <= cut.offset < log.compacted_for:
            return cut
        return cut if self._may_be_in_sync(partition) else Cut(data.log_start_offset, whole=True)


def _cut_to_make(log: Log, data: PartitionData, asked_offset: int) -> Cut | None:
    """What has to go before more can be taken from the leader; None where nothing has to.

    A log that was asked for at a gap ends there: the leader has what is missing. An empty one that begins in the midst
    of a batch begins with that batch instead, and takes it at once: asked for again, it would be out of range.
    """
    if data.error_code == ErrorCode.OFFSET_OUT_OF_RANGE and data.log_start_offset >= 0:
        return Cut(data.log_start_offset, whole=True)
    if data.error_code:
        return None
    diverging = data.diverging_epoch
    if diverging.end_offset >= 0:
        return Cut(truncation_offset(log.epochs, log.log_end_offset, diverging.epoch, diverging.end_offset))
    if asked_offset < log.log_end_offset:
        return Cut(asked_offset)
    base_offset = log.beginning_of(data.records) if isinstance(data.records, memoryview) else None
    return None if base_offset is None else Cut(base_offset, whole=True)


def _begins_with_batch_of(data: PartitionData, log: Log, offset: int) -> bool:
    """Whether an empty log is to begin at that offset for the sake of what was sent: it is not what was asked for
    elsewhere, as at a gap, behind which the log would then lack everything before."""
    return isinstance(data.records, memoryview) and log.beginning_of(data.records) == offset
