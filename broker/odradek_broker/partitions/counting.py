"""What a reader would still get of a partition: counted (log/remaining.py) in slices, long looks by workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek_broker.log.reading import HEADERS_AT_ONCE
from odradek_broker.log.remaining import Remaining, remaining
from odradek_broker.partitions.offsets_by_time import Deposed

if TYPE_CHECKING:
    from odradek_broker.loop.looks import Looks
    from odradek_broker.loop.slices import Slices
    from odradek_broker.partitions.partition import Partition


async def count_remaining(
    partition: Partition, begin: int, end: int, *, committed: bool, slices: Slices, looks: Looks
) -> Remaining:
    """From offset `begin` up to, not with, `end`, which is at most the end of what the reader may read.

    Raises OSError, ProtocolError, Deposed: what is walked over may have been cut by then, and that is no damage.
    """
    leadership, found = partition.leadership, 0
    steps = remaining(partition.log, begin, end, committed=committed, stable_offset=partition.last_stable_offset)
    try:
        look = next(steps)
        while True:
            if look is not None:
                found = look.job() if look.is_short else await looks.look(look.job)
            await slices.pay(HEADERS_AT_ONCE // 4)
            if partition.leadership is not leadership:
                raise Deposed
            look = steps.send(found)
    except StopIteration as stop:
        counted: Remaining = stop.value
        return counted
