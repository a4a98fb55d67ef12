"""Finding batches in the segments: from an offset on, or by time. No step reads more than a few headers."""

from __future__ import annotations

from collections.abc import Iterator

from odradek.protocol.records.batch import BatchHeader
from odradek_broker.log.file_slice import FileSlice
from odradek_broker.log.segment import Segment
from odradek_broker.log.segments import Segments
from odradek_broker.log.timestamps import TimestampOffset, first_record_as_young_as


def read(segments: Segments, offset: int, max_bytes: int, max_offset: int | None, *, min_one: bool) -> FileSlice | None:
    """Whole batches of one segment, from the first that ends at or behind `offset`; None where there are none.

    They end before the batch that holds `max_offset` (None: with the log), and within `max_bytes` unless the first
    alone is longer and `min_one` asks for it all the same.
    """
    segment = segments.at(offset)
    found = segment.find(offset)
    while found is None:
        following = segments.after(segment)
        if following is None:
            return None
        segment = segments.opened(following)
        found = segment.find(offset)
    position, first_end = found
    end = segment.size_bytes if max_offset is None else _end_position(segments, segment, max_offset)
    if end <= position:
        return None
    if end - position > max_bytes:
        if first_end - position > max_bytes and not min_one:
            return None
        end = segment.last_boundary(first_end, position + max_bytes)
    return FileSlice(segment.file, position, end - position, segment.base_offset)


def _end_position(segments: Segments, segment: Segment, max_offset: int) -> int:
    """Where in the segment the batch begins that holds `max_offset`; its end where that lies behind."""
    following = segments.after(segment)
    if following is not None and following.base_offset <= max_offset:
        return segment.size_bytes
    found = segment.find(max_offset)
    return segment.size_bytes if found is None else found[0]


HEADERS_AT_ONCE = 100


def young_batches(
    segments: Segments, timestamp: int, log_start_offset: int, max_offset: int
) -> Iterator[tuple[bytes, BatchHeader] | None]:
    """The batches that may hold the first record as young as `timestamp`, of those that begin before `max_offset`.

    Nearly always it is in the first of them; but what a batch says of its times is its producer's word. None comes in
    between where many headers were looked at and none was young enough: a moment to do something else.
    """
    for segment in segments.from_offset(log_start_offset):
        if segment.base_offset >= max_offset:
            return
        yield None
        if segment.largest_timestamp < timestamp:
            continue
        segments.opened(segment)
        batches = segment.batches(segment.position_before(timestamp, log_start_offset))
        for looked_at, (position, header) in enumerate(batches, 1):
            if header.max_timestamp >= timestamp and header.last_offset >= log_start_offset:
                yield segment.sound_batch(position, header), header
            elif looked_at % HEADERS_AT_ONCE == 0:
                yield None


def first_as_young_as(
    segments: Segments, timestamp: int, log_start_offset: int, max_offset: int
) -> TimestampOffset | None:
    """The first record from `log_start_offset` on that is as young as `timestamp`, if it lies before `max_offset`."""
    for step in young_batches(segments, timestamp, log_start_offset, max_offset):
        if step is not None:
            found = first_record_as_young_as(*step, timestamp, log_start_offset)
            if found is not None:
                return found if found.offset < max_offset else None
    return None
