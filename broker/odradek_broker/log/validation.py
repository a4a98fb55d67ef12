"""What a leader demands of the batches it is sent, before any of them is given an offset.

The checks and their error codes are Kafka's (LogValidator, UnifiedLog.analyzeAndValidateRecords). The differences:

    - Records are not unpacked: what is inside a batch is taken on the word of its header, as long as that is possible
      and the first few records bear it out (`inside.py`). Only a compacted topic looks at every record, for its key,
      its offset and its time; of it compaction may later keep one and drop another.
    - Offsets inside a batch that do not count up from 0 are refused, where Kafka numbers such records anew.
    - A client's delete horizon is refused, which Kafka takes: with it tombstones would go before anybody has seen them.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

from odradek.protocol.errors import ErrorCode
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import (
    CODEC_MASK,
    DELETE_HORIZON_FLAG,
    HEADER_BYTES,
    MAGIC,
    MAGIC_POSITION,
    BatchHeader,
    crc_is_valid,
    read_header,
    stamp_log_append_time,
)
from odradek.protocol.records.codecs import Codec
from odradek_broker.log import inside
from odradek_broker.log.config import LogConfig
from odradek_broker.log.plain_batch import sound_header
from odradek_broker.log.raw_batch import MAX_PAYLOAD_BYTES, MIN_RECORD_BYTES, is_short, recompress
from odradek_broker.log.timestamps import timestamp_fault

Batches = list[tuple[int, BatchHeader]]


class Origin(enum.Enum):
    """Who sends the batches."""

    CLIENT = 0
    """A producer: exactly one batch of data, held to every rule."""
    COORDINATOR = 1
    """This broker itself: any number of batches, markers among them."""


class Refused(NamedTuple):
    """Nothing was appended."""

    error: ErrorCode
    message: str | None = None
    record_errors: Sequence[tuple[int, str]] = ()
    """(index in the batch, why), where single records are to blame."""


ATTRIBUTES_LOW_BYTE = 22


class Validated(NamedTuple):
    """What came of a validation that was made beforehand, and what it is true of."""

    config: LogConfig
    now_ms: int
    outcome: Valid | Refused


class Valid(NamedTuple):
    records: memoryview
    """Those that came, or others where they had to be compressed anew."""
    batches: Batches


def is_long(records: memoryview, config: LogConfig) -> bool:
    """Whether it takes a while to validate a client's batch, so that a worker had better do it."""
    if len(records) < HEADER_BYTES:
        return False
    is_looked_into = config.compacts or config.compression_type != "producer"
    if not is_looked_into and not records[ATTRIBUTES_LOW_BYTE] & CODEC_MASK:
        return False
    try:
        header = read_header(records)
    except ProtocolError:
        return False
    codec = _wanted_codec(config)
    is_undone = header.codec != Codec.NONE and config.limits_records
    if config.compacts or is_undone or (codec is not None and codec != header.codec):
        return not is_short(records, 0, header)
    return header.codec != Codec.NONE and header.record_count > header.size_bytes


def validate_beforehand(records: memoryview, config: LogConfig, now_ms: int) -> Validated:
    """For a worker: what `Log.append_as_leader` would do itself with a client's records, which stay as they came.

    If another configuration holds by then they are validated once more.
    """
    if config.log_append_time:
        records = memoryview(bytearray(records))
    return Validated(config, now_ms, validate(records, config, Origin.CLIENT, now_ms))


def validate(records: memoryview, config: LogConfig, origin: Origin, now_ms: int) -> Valid | Refused:
    """Check everything but sequence numbers; recompress and set LogAppendTime where the topic asks for it.

    `records` must be writable where the topic's timestamps are LogAppendTime.
    """
    if origin is Origin.CLIENT and (plain := sound_header(records, config, now_ms)) is not None:
        return Valid(records, [(0, plain)])
    return validate_in_full(records, config, origin, now_ms)


def validate_in_full(records: memoryview, config: LogConfig, origin: Origin, now_ms: int) -> Valid | Refused:
    """The same, by one check after the other, with words for what is wrong."""
    found = _headers(records)
    if isinstance(found, Refused):
        return found
    if origin is Origin.CLIENT and len(found) != 1:
        return Refused(ErrorCode.INVALID_RECORD, "a partition takes exactly one record batch")
    for position, header in found:
        refused = _check(records, position, header, config, origin, now_ms)
        if refused is not None:
            return refused
    codec = _wanted_codec(config)
    if codec is not None and any(header.codec != codec and not header.is_control for _, header in found):
        again = _recompress(records, found, codec, config)
        if isinstance(again, Refused):
            return again
        records, found = again
    if config.log_append_time:
        for position, header in found:
            stamp_log_append_time(records, position, header, now_ms)
        found = [(position, read_header(records, position)) for position, _ in found]
    return Valid(records, found)


def _headers(records: memoryview) -> Batches | Refused:
    found: Batches = []
    position, end = 0, len(records)
    while position < end:
        if end - position < HEADER_BYTES:
            return _undersized(records, position)
        try:
            header = read_header(records, position)
        except ProtocolError as error:
            if records[position + MAGIC_POSITION] != MAGIC:
                return Refused(ErrorCode.INVALID_RECORD, "only record batches of magic 2 are taken")
            return Refused(ErrorCode.CORRUPT_MESSAGE, str(error))
        size = header.size_bytes
        if size > end - position:
            return Refused(ErrorCode.CORRUPT_MESSAGE, f"a batch of {size} bytes is cut off")
        found.append((position, header))
        position += size
    return found or Refused(ErrorCode.INVALID_RECORD, "no record batch")


def _undersized(records: memoryview, position: int) -> Refused:
    if len(records) - position > MAGIC_POSITION and records[position + MAGIC_POSITION] != MAGIC:
        return Refused(ErrorCode.INVALID_RECORD, "only record batches of magic 2 are taken")
    return Refused(ErrorCode.CORRUPT_MESSAGE, f"{len(records) - position} bytes are less than a batch header")


def _check(
    records: memoryview, position: int, header: BatchHeader, config: LogConfig, origin: Origin, now_ms: int
) -> Refused | None:
    size = header.size_bytes
    if size > config.max_message_bytes and origin is Origin.CLIENT:
        return Refused(
            ErrorCode.MESSAGE_TOO_LARGE, f"a batch of {size} bytes, where {config.max_message_bytes} are allowed"
        )
    if size > config.segment_bytes:
        return Refused(ErrorCode.RECORD_LIST_TOO_LARGE, f"a batch of {size} bytes does not fit in a segment")
    if not crc_is_valid(records, position, header):
        return Refused(ErrorCode.CORRUPT_MESSAGE, "the batch does not match its checksum")
    if header.record_count <= 0 or header.record_count != header.last_offset_delta + 1:
        return Refused(
            ErrorCode.INVALID_RECORD,
            f"{header.record_count} records announced, the last of them numbered {header.last_offset_delta}",
        )
    room = MAX_PAYLOAD_BYTES if header.attributes & CODEC_MASK else size - HEADER_BYTES
    if header.record_count > room // MIN_RECORD_BYTES:
        return Refused(ErrorCode.INVALID_RECORD, f"{header.record_count} records announced in {room} bytes at most")
    if origin is Origin.CLIENT:
        return _check_client(records, position, header, config, now_ms)
    return None


def _check_client(
    records: memoryview, position: int, header: BatchHeader, config: LogConfig, now_ms: int
) -> Refused | None:
    if header.base_offset != 0:
        return Refused(ErrorCode.INVALID_RECORD, f"a producer's base offset is 0, not {header.base_offset}")
    if header.producer_id >= 0 and (header.base_sequence < 0 or header.producer_epoch < 0):
        return Refused(ErrorCode.INVALID_RECORD, "a producer id without an epoch and a sequence number")
    if header.is_control:
        return Refused(ErrorCode.INVALID_RECORD, "clients do not write control batches")
    if header.timestamp_type_log_append:
        return Refused(ErrorCode.INVALID_TIMESTAMP, "clients do not set LogAppendTime")
    if header.attributes & DELETE_HORIZON_FLAG:
        return Refused(ErrorCode.INVALID_RECORD, "clients do not set a delete horizon")
    for timestamp in (header.base_timestamp, header.max_timestamp):
        late_or_early = timestamp_fault(timestamp, config, now_ms)
        if late_or_early is not None:
            return Refused(ErrorCode.INVALID_TIMESTAMP, late_or_early)
    if header.attributes & CODEC_MASK and config.limits_records:
        too_long = inside.long_record_fault(records, position, header, config.max_decompressed_message_bytes)
        if too_long is not None:
            return Refused(ErrorCode.INVALID_RECORD, too_long)
    if not config.compacts:
        miscounted = inside.count_fault(records, position, header)
        return None if miscounted is None else Refused(ErrorCode.INVALID_RECORD, miscounted)
    faults = inside.compacted_faults(records, position, header, config, now_ms)
    if not faults:
        return None
    by_record = [(fault.record_index, fault.message) for fault in faults if fault.record_index is not None]
    return Refused(faults[0].error, faults[0].message, by_record)


_CODECS = {"uncompressed": Codec.NONE, "gzip": Codec.GZIP, "snappy": Codec.SNAPPY, "lz4": Codec.LZ4, "zstd": Codec.ZSTD}


def _wanted_codec(config: LogConfig) -> Codec | None:
    """The topic's codec, or None where the producer's is kept."""
    return None if config.compression_type == "producer" else _CODECS[config.compression_type]


def _recompress(records: memoryview, batches: Batches, codec: Codec, config: LogConfig) -> Valid | Refused:
    """Batches of the topic's codec; their size is checked once more."""
    out = bytearray()
    try:
        for position, header in batches:
            out += recompress(records, position, header, codec)
    except ProtocolError as error:
        return Refused(ErrorCode.CORRUPT_MESSAGE, str(error))
    again = memoryview(out)
    found = _headers(again)
    assert not isinstance(found, Refused)
    for _, header in found:
        if header.size_bytes > config.max_message_bytes:
            return Refused(ErrorCode.MESSAGE_TOO_LARGE, f"{header.size_bytes} bytes once compressed anew")
    return Valid(again, found)
