"""The header of a record batch (magic 2, KIP-98): reading it, checking its checksum, stamping it in place.

    base_offset             int64  @0     first offset of the batch
    batch_length            int32  @8     bytes that follow this field
    partition_leader_epoch  int32  @12
    magic                   int8   @16    2
    crc                     uint32 @17    CRC-32C of all from @21 on
    attributes              int16  @21    bits 0-2 codec, 3 LogAppendTime, 4 transactional, 5 control, 6 delete horizon
    last_offset_delta       int32  @23
    base_timestamp          int64  @27    or the delete horizon (KIP-534)
    max_timestamp           int64  @35
    producer_id             int64  @43
    producer_epoch          int16  @51
    base_sequence           int32  @53
    record_count            int32  @57
    records                        @61    compressed as a whole

Invariants
    What a broker changes in every batch, base offset and leader epoch, lies outside of the checksum: `stamp` leaves it.
    Whatever else is written over the header here computes it anew.
    Nothing here looks at records, or copies any.

Kafka: DefaultRecordBatch.java.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from odradek.protocol.primitives import Buffer, ProtocolError
from odradek.protocol.records.codecs import Codec
from odradek.protocol.records.crc import crc32c

HEADER_BYTES = 61
MAGIC = 2
MAGIC_POSITION = 16
LENGTH_COVERS_FROM = 12
CRC_POSITION = 17
CRC_COVERS_FROM = 21

CODEC_MASK = 0x07
LOG_APPEND_TIME_FLAG = 0x08
TRANSACTIONAL_FLAG = 0x10
CONTROL_FLAG = 0x20
DELETE_HORIZON_FLAG = 0x40

NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1
NO_SEQUENCE = -1
NO_TIMESTAMP = -1
NO_LEADER_EPOCH = -1
MAX_SEQUENCE = 2**31 - 1

WritableBuffer: TypeAlias = bytearray | memoryview

HEADER = struct.Struct(">qiibIhiqqqhii")
_MIN_BATCH_LENGTH = HEADER_BYTES - LENGTH_COVERS_FROM
_CODECS = tuple(Codec)
"""By their numbers. To look one up so costs a tenth of what `Codec(number)` does, once for each batch."""
_MAX_CODEC = max(Codec)
_BASE_OFFSET = struct.Struct(">q")
_LEADER_EPOCH = struct.Struct(">i")
_CRC = struct.Struct(">I")
_ATTRIBUTES = struct.Struct(">h")
_MAX_TIMESTAMP = struct.Struct(">q")
_PRODUCER = struct.Struct(">qhi")
_LEADER_EPOCH_POSITION = 12
_ATTRIBUTES_POSITION = 21
_MAX_TIMESTAMP_POSITION = 35
_PRODUCER_POSITION = 43


class BatchHeader(NamedTuple):
    """The fields of a header, as they are in the batch."""

    base_offset: int
    batch_length: int
    """Bytes behind this field; see `size_bytes`."""
    partition_leader_epoch: int
    """Of the leader that appended the batch; anything where a producer sent it."""
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    """Stays when compaction takes the last record away, as does the base offset when it takes the first."""
    base_timestamp: int
    """Milliseconds. That of the first record, or the delete horizon; records hold theirs relative to it."""
    max_timestamp: int
    """Milliseconds. The time of every record where the timestamp type is LogAppendTime."""
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size_bytes(self) -> int:
        """Of the whole batch."""
        return self.batch_length + LENGTH_COVERS_FROM

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        """The first one behind the batch."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def last_sequence(self) -> int:
        """That of the last record; after 2147483647 comes 0. -1 where there are no sequence numbers."""
        if self.base_sequence < 0:
            return NO_SEQUENCE
        return (self.base_sequence + self.last_offset_delta) & MAX_SEQUENCE

    @property
    def codec(self) -> Codec:
        return _CODECS[self.attributes & CODEC_MASK]

    @property
    def timestamp_type_log_append(self) -> bool:
        return bool(self.attributes & LOG_APPEND_TIME_FLAG)

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & TRANSACTIONAL_FLAG)

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & CONTROL_FLAG)

    @property
    def delete_horizon_ms(self) -> int | None:
        """When the tombstones or the marker in the batch may go, where compaction has set it (KIP-534)."""
        return self.base_timestamp if self.attributes & DELETE_HORIZON_FLAG else None


def read_header(buffer: Buffer, position: int = 0) -> BatchHeader:
    """The header that begins at `position`; the batch itself need not be whole.

    Raises ProtocolError where there are fewer bytes than a header has, magic is not 2, the length is less than that of
    the header itself, or the codec is unknown. Counts and offsets are not judged.
    """
    if position < 0 or len(buffer) - position < HEADER_BYTES:
        raise ProtocolError(f"{len(buffer) - position} bytes are less than a batch header")
    header = BatchHeader._make(HEADER.unpack_from(buffer, position))
    if header.magic != MAGIC:
        raise ProtocolError(f"a batch of magic {header.magic}, not {MAGIC}")
    if header.batch_length < _MIN_BATCH_LENGTH:
        raise ProtocolError(f"a batch length of {header.batch_length} is less than the header's {_MIN_BATCH_LENGTH}")
    if header.attributes & CODEC_MASK > _MAX_CODEC:
        raise ProtocolError(f"codec {header.attributes & CODEC_MASK} is unknown")
    return header


def read_whole_header(buffer: Buffer, position: int = 0) -> BatchHeader:
    """The header that begins at `position`, of a batch that is all there. Raises ProtocolError."""
    header = read_header(buffer, position)
    missing = position + header.size_bytes - len(buffer)
    if missing > 0:
        raise ProtocolError(f"a batch of {header.size_bytes} bytes lacks the last {missing}")
    return header


def iter_headers(buffer: Buffer) -> Iterator[tuple[int, BatchHeader]]:
    """Yield (position, header) of each batch; stop before one that is not whole, as a fetch may end in (KIP-74).

    Raises ProtocolError as `read_header` does.
    """
    position, end = 0, len(buffer)
    while end - position >= HEADER_BYTES:
        header = read_header(buffer, position)
        following = position + header.size_bytes
        if following > end:
            return
        yield position, header
        position = following


def crc_is_valid(buffer: Buffer, position: int, header: BatchHeader) -> bool:
    """Whether the batch at `position` is whole and matches its checksum."""
    end = position + header.size_bytes
    return end <= len(buffer) and crc32c(memoryview(buffer)[position + CRC_COVERS_FROM : end]) == header.crc


def stamp(buffer: WritableBuffer, position: int, base_offset: int, leader_epoch: int) -> None:
    """Write what a leader gives to a batch. The checksum does not cover it."""
    _BASE_OFFSET.pack_into(buffer, position, base_offset)
    _LEADER_EPOCH.pack_into(buffer, position + _LEADER_EPOCH_POSITION, leader_epoch)


def stamp_log_append_time(buffer: WritableBuffer, position: int, header: BatchHeader, now_ms: int) -> None:
    """Make `now_ms` the time of every record, without touching one; `header` is what was there before."""
    _ATTRIBUTES.pack_into(buffer, position + _ATTRIBUTES_POSITION, header.attributes | LOG_APPEND_TIME_FLAG)
    _MAX_TIMESTAMP.pack_into(buffer, position + _MAX_TIMESTAMP_POSITION, now_ms)
    write_crc(buffer, position, position + header.size_bytes)


def stamp_producer(
    buffer: WritableBuffer, position: int, producer_id: int, producer_epoch: int, base_sequence: int
) -> None:
    """Number a batch anew, as a retry after an epoch bump does (KIP-360). Raises ProtocolError as `read_header`."""
    header = read_whole_header(buffer, position)
    _PRODUCER.pack_into(buffer, position + _PRODUCER_POSITION, producer_id, producer_epoch, base_sequence)
    write_crc(buffer, position, position + header.size_bytes)


def write_crc(buffer: WritableBuffer, position: int, end: int) -> None:
    """Compute the checksum of the batch that lies there."""
    crc = crc32c(memoryview(buffer)[position + CRC_COVERS_FROM : end])
    _CRC.pack_into(buffer, position + CRC_POSITION, crc)
