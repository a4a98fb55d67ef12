"""The first record of a partition that is as young as a time says: looked for batch by batch, in slices."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from odradek_broker.log.raw_batch import is_short
from odradek_broker.log.reading import HEADERS_AT_ONCE
from odradek_broker.log.timestamps import TimestampOffset, first_record_as_young_as

if TYPE_CHECKING:
    from odradek_broker.loop.looks import Looks
    from odradek_broker.loop.slices import Slices
    from odradek_broker.partitions.partition import Partition


class Deposed(Exception):
    """Another leader was elected while the log was walked over."""


async def first_offset_by_time(
    partition: Partition, timestamp: int, limit: int, slices: Slices, looks: Looks
) -> TimestampOffset | None:
    """The first record as young as that before `limit`; into long batches a worker looks.

    Raises OSError, ProtocolError, Deposed: what is walked over may have been cut by then, and that is no damage.
    """
    start, leadership = partition.log.log_start_offset, partition.leadership
    for step in partition.log.young_batches(timestamp, limit):
        found = None
        if step is not None:
            batch, header = step
            look = partial(first_record_as_young_as, batch, header, timestamp, start)
            found = look() if is_short(batch, 0, header) else await looks.look(look)
        await slices.pay(HEADERS_AT_ONCE // 4)
        if partition.leadership is not leadership:
            raise Deposed
        if found is not None:
            return found if found.offset < limit else None
    return None
