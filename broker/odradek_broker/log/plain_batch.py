"""The one shape in which most batches come from producers, judged in one go: a single batch, whole, not compressed,
with no flags, in CreateTime, for a topic that looks into none.

Invariants
    What is said to be sound here `validation.validate` takes too, and makes the same of it. Where it would refuse, or
    would have to do more than look, nothing is said here: it judges itself, and finds the words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.protocol.records.batch import (
    CRC_COVERS_FROM,
    HEADER,
    HEADER_BYTES,
    LENGTH_COVERS_FROM,
    MAGIC,
    BatchHeader,
)
from odradek.protocol.records.crc import crc32c
from odradek_broker.log.inside import count_fault
from odradek_broker.log.raw_batch import MIN_RECORD_BYTES

if TYPE_CHECKING:
    from odradek_broker.log.config import LogConfig


def sound_header(records: memoryview, config: LogConfig, now_ms: int) -> BatchHeader | None:
    """The header of a client's batch of that shape, where nothing is wrong with it; else None."""
    size = len(records)
    if size < HEADER_BYTES or size > config.most_plain_bytes:
        return None
    header = BatchHeader._make(HEADER.unpack_from(records))
    base_offset, length, _, magic, crc, attributes, delta, first_ms, latest_ms, producer, epoch, sequence, count = (
        header
    )
    age_ms = now_ms - config.message_timestamp_before_max_ms
    is_sound = (
        length == size - LENGTH_COVERS_FROM
        and magic == MAGIC
        and not attributes
        and not base_offset
        and 0 < count == delta + 1
        and count <= (size - HEADER_BYTES) // MIN_RECORD_BYTES
        and (producer < 0 or (sequence >= 0 and epoch >= 0))
        and age_ms <= first_ms <= (latest := now_ms + config.message_timestamp_after_max_ms)
        and age_ms <= latest_ms <= latest
        and crc32c(records[CRC_COVERS_FROM:]) == crc
        and count_fault(records, 0, header) is None
    )
    return header if is_sound else None
