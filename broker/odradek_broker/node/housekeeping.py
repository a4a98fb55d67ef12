"""What a broker does when nobody asks: retention, compaction, checkpoints, files that may go, a disk that fails.

Each round looks at all partitions; what only looks at memory is done here, what reads and writes files by the
megabyte (compaction) in a worker thread. What goes wrong for one partition concerns no other (apart.py), and a clock
that has jumped makes nothing old (steady_time.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import trio

from odradek_broker.log.failures import DiskFailed
from odradek_broker.log.offset_checkpoints import (
    CLEANER_OFFSETS,
    COMPACTED_FOR,
    HIGH_WATERMARKS,
    LOG_START_OFFSETS,
    RECOVERY_POINTS,
)
from odradek_broker.partitions.apart import Apart
from odradek_broker.partitions.interval_flush import IntervalFlush
from odradek_broker.partitions.others import others_have
from odradek_broker.partitions.scrub import Scrub

if TYPE_CHECKING:
    from odradek_broker.log.compaction import CompactionPlan
    from odradek_broker.log.log import Log
    from odradek_broker.node.broker import Broker
    from odradek_broker.partitions.partition import Partition

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 60
REMOVAL_SECONDS = 1
REFUSALS_MS = 2_000
"""A leader whose disk is full for so long ends, so that another leads. Shorter, and clients only have to try again."""


class Housekeeping:
    """One for a broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        met = broker.replica_logs.met
        self._retention, self._compaction = Apart("retention", met), Apart("compaction", met)
        self._forgetting, self._flushing = Apart("forgetting of producers", met), Apart("flushing", met)
        self._removal = Apart("removal of files", met)

    async def run(self) -> None:
        broker, config = self._broker, self._broker.config
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._retain)
            nursery.start_soon(self._compact)
            nursery.start_soon(self._forget_producers)
            nursery.start_soon(IntervalFlush(broker.context, broker.partitions, broker.flusher).run)
            nursery.start_soon(self._flush_the_rest)
            for name, interval_ms in (
                (RECOVERY_POINTS, config.log_flush_offset_checkpoint_interval_ms),
                (LOG_START_OFFSETS, config.log_flush_start_offset_checkpoint_interval_ms),
                (HIGH_WATERMARKS, config.replica_high_watermark_checkpoint_interval_ms),
            ):
                nursery.start_soon(self._write_down, name, interval_ms)
            nursery.start_soon(self._remove)
            nursery.start_soon(self._watch_disk)
            nursery.start_soon(Scrub(broker.partitions, broker.workers, broker.replica_logs.met).run)

    async def _retain(self) -> None:
        while True:
            await trio.sleep(self._broker.config.log_retention_check_interval_ms / 1000)
            now_ms = self._broker.steady_clock.now_ms()
            starts: dict[Partition, int] = {}
            for partition in self._retention.of(self._broker.partitions.values()):
                log = partition.log
                with self._retention.each(partition):
                    log.advance_log_start(log.retention_offset(now_ms, partition.high_watermark))
                    starts[partition] = log.log_start_offset
                await trio.lowlevel.checkpoint()
            try:
                await self._broker.checkpoints.write([LOG_START_OFFSETS])
            except OSError as error:  # a full disk, most likely: then it is high time to delete something
                logger.error("cannot write down where logs begin: %s", error)
            for partition, offset in starts.items():
                await self._delete_segments(partition, offset, self._broker.clock.now_ms())

    async def _delete_segments(self, partition: Partition, before_offset: int, now_ms: int) -> None:
        log = partition.log
        if log.is_closed:
            return
        with self._retention.each(partition):
            for name in log.delete_segments_before(min(before_offset, log.log_start_offset), now_ms):
                logger.info("%s: segment %s has outlived its retention", partition, name)
        await trio.lowlevel.checkpoint()

    async def _forget_producers(self) -> None:
        while True:
            await trio.sleep(self._broker.config.producer_id_expiration_check_interval_ms / 1000)
            now_ms = self._broker.steady_clock.now_ms()
            for partition in self._forgetting.of(self._broker.partitions.values()):
                with self._forgetting.each(partition):
                    partition.log.remove_expired_producers(now_ms)
                await trio.lowlevel.checkpoint()

    async def _compact(self) -> None:
        while self._broker.config.log_cleaner_enable:
            await trio.sleep(self._broker.config.log_cleaner_backoff_ms / 1000)
            now_ms = self._broker.steady_clock.now_ms()
            for partition in self._compaction.of(self._broker.partitions.values()):
                if partition.log.config.compacts and partition.log.failed is None:
                    with self._compaction.each(partition):
                        await self._compact_one(partition, now_ms)

    async def _compact_one(self, partition: Partition, now_ms: int) -> None:
        """Raises OSError, LogFailed, DamagedLog."""
        log = partition.log
        if log.owes_files:  # a pass goes by what is on disk
            self._broker.flusher.flush_soon(partition)
        plan = log.begin_compaction(now_ms, partition.last_stable_offset)
        if plan is None:
            return
        try:
            while await self._broker.workers.run(plan.step):
                log.intend(plan)
                await self._broker.checkpoints.write([COMPACTED_FOR])
                if not await self._install(log, plan):
                    return
        except OSError:  # be it DamagedLog
            if not log.has_been_cut_since(plan):
                raise
            return
        finally:
            if plan.ready is not None and not log.is_closed:
                await self._broker.workers.run(plan.discard)
        log.end_compaction(plan)
        for offset, fault in plan.unreadable.items():
            logger.warning(
                "%s: the batch at offset %d stays as its producer wrote it, for its records cannot be read: %s",
                *(partition, offset, fault),
            )
        await self._broker.checkpoints.write([CLEANER_OFFSETS])

    async def _install(self, log: Log, plan: CompactionPlan) -> bool:
        """Whether what a step has written has taken its place. Raises OSError, LogFailed."""
        swap = log.begin_install(plan)
        if swap is None:
            return False
        error = None
        try:
            await self._broker.workers.run(swap.run)
        except OSError as raised:
            error = raised
        if not log.is_closed:
            log.end_install(swap, self._broker.clock.now_ms(), error)
        return not log.is_closed

    async def _flush_the_rest(self) -> None:
        """What nothing else flushes: a start has to look through all that lies behind a log's recovery point."""
        while True:
            await trio.sleep(FLUSH_SECONDS)
            for partition in self._flushing.of(self._broker.partitions.values()):
                log = partition.log
                if log.failed is None and log.leaves_work_to_a_start:
                    with self._flushing.each(partition):
                        self._broker.flusher.flush_soon(partition)

    async def _write_down(self, name: str, interval_ms: int) -> None:
        has_failed = False
        while True:
            await trio.sleep(interval_ms / 1000)
            try:
                await self._broker.checkpoints.write([name])
                has_failed = False
            except OSError as error:
                if not has_failed:
                    logger.error("cannot write %s: %s", name, error)
                has_failed = True

    async def _remove(self) -> None:
        """What was deleted takes its space until it is old enough; freeing a gigabyte takes a while, so not here."""
        while True:
            await trio.sleep(REMOVAL_SECONDS)
            now_ms = self._broker.clock.now_ms()
            directory, disk = self._broker.directory, self._broker.disk
            if directory.has_unsynced_deletions:
                try:
                    await self._broker.workers.run(directory.sync_deletions)
                except OSError as error:
                    logger.error("cannot make sure that deleted logs stay so: %s", error)
                    continue
            for path in directory.take_deleted_logs(now_ms):
                await self._try_to_remove(directory.remove_directory, path)
            for partition in self._removal.of(self._broker.partitions.values()):
                with self._removal.each(partition):
                    for path in partition.log.take_deleted_files(now_ms):
                        await self._try_to_remove(disk.remove, path)

    async def _watch_disk(self) -> None:
        """Raises DiskFailed, as Kafka halts with its last log directory. What only we have we still answer for."""
        while True:
            await trio.sleep(REMOVAL_SECONDS)
            now_ms = self._broker.clock.monotonic_ms()
            for partition in self._broker.partitions.values():
                log = partition.log
                is_full = partition.is_leader and partition.refusals.last_for(REFUSALS_MS, now_ms)
                if (
                    log.is_closed
                    or not (log.failed is not None or is_full)
                    or not others_have(self._broker.context, partition)
                ):
                    continue
                if log.failed is not None:
                    raise DiskFailed(f"{partition} is out of use here, and other brokers have it: {log.failed}")
                raise DiskFailed(f"the disk takes nothing for {partition} any more, and other brokers have it")

    async def _try_to_remove(self, remove: Callable[[str], None], path: str) -> None:
        """What cannot be removed goes at the next start."""
        try:
            await self._broker.workers.run(partial(remove, path))
        except FileNotFoundError:
            pass  # a segment need not have every kind of file, and its topic may be gone meanwhile
        except OSError as error:
            logger.error("cannot remove %s: %s", path, error)
