"""Where a segment ends: by its index where that can be believed, else by its batches."""

from __future__ import annotations

from typing import NamedTuple

from odradek_broker.log.leader_epochs import NO_EPOCH
from odradek_broker.log.scan import Scan
from odradek_broker.log.segment import Segment


class SegmentEnd(NamedTuple):
    offset: int
    """Behind the last batch."""
    leader_epoch: int
    """Of its last batch; NO_EPOCH where it has none, or is empty."""


def clean_end(segment: Segment) -> SegmentEnd | None:
    """By the last entry of the index and the few batches behind; None where these disagree. Raises OSError."""
    leader_epoch = NO_EPOCH
    if segment.size_bytes == 0:
        return SegmentEnd(segment.base_offset, leader_epoch)
    try:
        position = segment.last_indexed_position()
    except FileNotFoundError:
        return None
    if position == segment.size_bytes:
        return None  # the batch that the entry is of is gone
    scan = Scan(segment.file, position, segment.size_bytes, next_offset=segment.base_offset)
    for _, header in scan:
        leader_epoch = header.partition_leader_epoch
    is_whole = scan.fault is None and scan.position == segment.size_bytes
    return SegmentEnd(scan.next_offset, leader_epoch) if is_whole else None


def end_offset_of(segment: Segment) -> int:
    """Behind its last batch; where the index does not tell it, its batches are walked through. Raises OSError."""
    found = clean_end(segment)
    if found is None:
        scan = segment.scan()
        for _ in scan:
            pass
        found = SegmentEnd(scan.next_offset, NO_EPOCH)
    segment.release()
    return found.offset
