"""Which of the oldest segments may go: by age, by the size of the log, or because they lie before its start.

Pure decisions over what segments say of themselves. A segment is never removed from the middle, nor one that holds an
offset at or above the high watermark, nor an empty one; nor one of which only an index says that it is old. One that is
damaged goes when its file is that old, too: it would keep all behind it for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

from odradek_broker.log.config import LogConfig
from odradek_broker.log.failures import DamagedLog
from odradek_broker.log.segment import Segment


def deletable_count(
    segments: Sequence[Segment],
    config: LogConfig,
    *,
    log_start_offset: int,
    log_end_offset: int,
    high_watermark: int,
    now_ms: int,
) -> int:
    """How many segments, from the oldest, have outlived retention. The active one may be among them."""
    excess_bytes = _excess_bytes(segments, config)
    count = 0
    for segment, end in zip(segments, _ends(segments, log_end_offset), strict=True):
        if end > high_watermark or segment.size_bytes == 0:
            break
        lies_before_start = end <= log_start_offset
        too_much = 0 < segment.size_bytes <= excess_bytes
        if not (lies_before_start or too_much or _is_too_old(segment, config, now_ms)):
            break
        excess_bytes -= segment.size_bytes
        count += 1
    return count


def _ends(segments: Sequence[Segment], log_end_offset: int) -> list[int]:
    return [*(segment.base_offset for segment in segments[1:]), log_end_offset]


def _excess_bytes(segments: Sequence[Segment], config: LogConfig) -> int:
    if not config.deletes or config.retention_bytes < 0:
        return 0
    return sum(segment.size_bytes for segment in segments) - config.retention_bytes


def _is_too_old(segment: Segment, config: LogConfig, now_ms: int) -> bool:
    if not config.deletes or config.retention_ms < 0:
        return False
    try:
        return _is_old_by_batches(segment, config, now_ms)
    except DamagedLog:
        return now_ms - segment.modified_ms() > config.retention_ms


def _is_old_by_batches(segment: Segment, config: LogConfig, now_ms: int) -> bool:
    """By its youngest batch; a segment without timestamps goes by when its file was last written."""
    youngest = segment.largest_timestamp
    if now_ms - (youngest if youngest >= 0 else segment.modified_ms()) <= config.retention_ms:
        return False
    if youngest < 0:
        return True
    segment.confirm_largest_timestamp()  # it comes from an index without a checksum, and what is deleted stays so
    return now_ms - segment.largest_timestamp > config.retention_ms
