"""Writing down how far each log may be believed, and taking that back before a log is cut.

The files are log/offset_checkpoints.py's; here is what holds of each partition now, and when it is written:

    every log.flush.offset.checkpoint.interval.ms and so on, where anything has changed (housekeeping)
    with every truncation, before it: a crash in its midst, or after it, finds nothing claimed of what is cut
    before compaction removes the first record for the sake of one that had not counted before
    when DeleteRecords has moved the start of a log, before that is answered
    at a clean stop, last of all
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from odradek_broker.log.checkpoints import LogKey
from odradek_broker.log.offset_checkpoints import (
    CLEANER_OFFSETS,
    COMPACTED_FOR,
    HIGH_WATERMARKS,
    LOG_START_OFFSETS,
    NAMES,
    RECOVERY_POINTS,
    OffsetCheckpoints,
)

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.log.cuttable import ProducersAt
    from odradek_broker.partitions.partition import Partition, Partitions
    from odradek_broker.ports.workers import Workers

NO_LIMIT = 2**63 - 1
CURRENT: Mapping[str, Callable[[Partition], int]] = {
    RECOVERY_POINTS: lambda partition: partition.log.recovery_point,
    LOG_START_OFFSETS: lambda partition: partition.log.log_start_offset,
    HIGH_WATERMARKS: lambda partition: partition.high_watermark,
    CLEANER_OFFSETS: lambda partition: partition.log.first_dirty_offset,
    COMPACTED_FOR: lambda partition: partition.log.compacted_for,
}


class Cut(NamedTuple):
    """What is about to become of a log."""

    offset: int
    whole: bool = False
    """Nothing of it stays, and it begins again at `offset`; else it ends there."""


class Checkpoints:
    """One for a broker."""

    def __init__(
        self, context: NodeContext, partitions: Partitions, files: OffsetCheckpoints, workers: Workers
    ) -> None:
        self._context = context
        self._partitions = partitions
        self._files = files
        self._workers = workers
        self._cuts: list[dict[Partition, Cut]] = []

    def log_start_written(self, partition: Partition) -> int:
        """Where the log will begin after a power cut, at the least."""
        return self._files.get(LOG_START_OFFSETS, (partition.topic_id, partition.index))

    async def write(self, names: Collection[str] = NAMES) -> None:
        """Bring the files up to date where anything has changed; they are on stable storage then. Raises OSError."""
        partitions = list(self._partitions.values())
        changed = [name for name in names if self._differs(name, partitions)]
        if changed:
            await self._workers.run(partial(self.write_now, changed, partitions))

    def write_now(self, names: Collection[str], partitions: Collection[Partition]) -> None:
        """The same, blocking: for a worker, or when all else has stopped."""
        for name in names:
            self._files.write(name, partial(self._current, name, partitions))

    @asynccontextmanager
    async def before_cut(self, cuts: dict[Partition, Cut]) -> AsyncIterator[dict[Partition, ProducersAt | None]]:
        """Within, nothing is claimed on disk of what is to be cut: cut there, without waiting. Raises OSError.

        What a log that is cut in its midst has to know of its producers has been looked for by then: it may take as
        long as it takes to go through a segment.
        """
        cuts = {
            partition: cut if cut.whole else Cut(partition.log.end_if_cut_at(cut.offset))
            for partition, cut in cuts.items()
        }
        looks = {
            partition: partition.log.look_for_producers_at(cut.offset)
            for partition, cut in cuts.items()
            if not cut.whole
        }
        self._cuts.append(cuts)
        partitions = list(self._partitions.values())

        def work() -> dict[Partition, ProducersAt | None]:
            ahead = {partition: look() for partition, look in looks.items()}
            self.write_now(NAMES, partitions)  # after any that is under way
            return ahead

        try:
            yield await self._workers.run(work)
        finally:
            self._cuts.remove(cuts)
            half_done = {partition: cut for partition, cut in cuts.items() if partition.log.failed is not None}
            if half_done:
                self._cuts.append(half_done)  # what is left of these logs only the next start can tell

    # ------------------------------------------------------------------------------------------------ what holds now

    def _differs(self, name: str, partitions: Collection[Partition]) -> bool:
        """Cheap: asked every second of all partitions."""
        written, current = self._files.written(name), CURRENT[name]
        opened = 0
        for partition in partitions:
            key = (partition.topic_id, partition.index)
            offset = written.get(key, 0)
            if offset != min(current(partition), self._limit(name, partition)):
                return True
            opened += offset > 0
        return opened < len(written) and not all(map(self._is_kept, written))

    def _current(
        self, name: str, partitions: Collection[Partition], written: Mapping[LogKey, int]
    ) -> dict[LogKey, int]:
        """Logs that could not be opened keep what is said of them. Runs in a worker, beside the Trio thread."""
        offsets = {key: offset for key, offset in written.items() if self._is_kept(key)}
        for partition in partitions:
            key = (partition.topic_id, partition.index)
            limit = self._limit(name, partition)  # read before the value: a cut ends its limit when it has been made
            value = CURRENT[name](partition)
            offsets[key] = 0 if partition.log.is_deleted else min(value, limit)
        return offsets

    def _limit(self, name: str, partition: Partition) -> int:
        """What may be said at most, while the partition is about to be cut.

        What is gone for the sake of what is cut is gone also where the cut never comes.
        """
        if name == COMPACTED_FOR:
            return NO_LIMIT
        limit = NO_LIMIT
        for cuts in tuple(self._cuts):
            cut = cuts.get(partition)
            if cut is not None:
                limit = min(limit, 0 if cut.whole and name != LOG_START_OFFSETS else cut.offset)
        return limit

    def _is_kept(self, key: LogKey) -> bool:
        """Whether the log of an entry belongs here: the metadata decides that, not what could be opened."""
        topic_id, index = key
        image = self._context.image
        topic = image.topic_names.get(topic_id)
        known = None if topic is None else image.partition(topic, index)
        return known is not None and self._context.node_id in known.replicas
