"""Every segment is read through again and again, slowly: damage is met while a replica can make it good. Of the active
one that is what it holds when its turn comes: many a log never has another.

It begins long after a start, when a broker has more urgent things to read, and takes SECONDS_A_PIECE for a mebibyte, so
80 GB take a day. A round that is over is followed by a day's rest.
What it meets is said, and mended, as any damage is (apart.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import trio

from odradek_broker.log.failures import DamagedLog
from odradek_broker.log.scrub import Place, read_piece
from odradek_broker.partitions.apart import Apart

if TYPE_CHECKING:
    from odradek_broker.log.log import Log
    from odradek_broker.log.segment import Segment
    from odradek_broker.partitions.partition import Partition, Partitions
    from odradek_broker.ports.workers import Workers

FIRST_SECONDS = 600.0
SECONDS_A_PIECE = 1.0
PAUSE_SECONDS = 24 * 60 * 60.0
END_OF_OFFSETS = 2**63 - 1


class Scrub:
    """One for a broker."""

    def __init__(
        self, partitions: Partitions, workers: Workers, met_damage: Callable[[Partition, DamagedLog], object]
    ) -> None:
        self._partitions = partitions
        self._workers = workers
        self._reading = Apart("reading through", met_damage)

    async def run(self) -> None:
        await trio.sleep(FIRST_SECONDS)
        while True:
            await self.read_all()
            await trio.sleep(PAUSE_SECONDS)

    async def read_all(self) -> None:
        """One round."""
        for partition in self._reading.of(self._partitions.values()):
            with self._reading.each(partition):
                for segment in list(partition.log.segments):
                    await self._read(partition.log, segment)

    async def _read(self, log: Log, segment: Segment) -> None:
        """Raises OSError, DamagedLog; not where the segment is not any more what it was."""
        reader, truncations, following = segment.reader(), log.truncations, log.segments.after(segment)
        before = END_OF_OFFSETS if following is None else following.base_offset
        place: Place | None = Place(0, segment.base_offset)
        try:
            while place is not None and _is_there(log, segment, truncations):
                place = await self._workers.run(partial(read_piece, reader, place, before))
                await trio.sleep(SECONDS_A_PIECE)
        except (FileNotFoundError, DamagedLog):
            if _is_there(log, segment, truncations):
                raise


def _is_there(log: Log, segment: Segment, truncations: int) -> bool:
    """Neither retention nor compaction has taken it, and no truncation can have cut it since."""
    is_kept = any(each is segment for each in log.segments)
    return not log.is_closed and is_kept and log.truncations == truncations
