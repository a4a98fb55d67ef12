"""Reading through what lies in sealed segments, piece by piece, to find damage before somebody needs what is damaged.

A start looks at the end of a log alone, and a leader sends its files as they are: of a bit that turns over further back
nobody would hear but a consumer, perhaps after the last other replica is gone.
"""

from __future__ import annotations

from typing import NamedTuple

from odradek_broker.log import filenames
from odradek_broker.log.failures import DamagedLog
from odradek_broker.log.segment import Segment

PIECE_BYTES = 1024 * 1024


class Place(NamedTuple):
    """Where a piece begins."""

    position: int
    next_offset: int


def read_piece(segment: Segment, place: Place, before: int = 2**63 - 1) -> Place | None:
    """Check so many bytes of batches, at least one; where the next piece begins, or None at the end. Blocks.

    `before`: the offset at which the next segment begins. Raises OSError, DamagedLog.
    """
    for position, header in segment.batches(place.position, next_offset=place.next_offset, verify=True):
        if header.next_offset > before:
            reason = f"a batch up to offset {header.last_offset}, where the next segment begins at {before}"
            raise DamagedLog(segment.path(filenames.LOG), position, min(header.base_offset, before), reason)
        end = position + header.size_bytes
        if end - place.position >= PIECE_BYTES and end < segment.size_bytes:
            return Place(end, header.next_offset)
    return None
