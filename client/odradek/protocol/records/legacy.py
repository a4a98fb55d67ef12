"""Reading of the record formats before batches: message sets of magic 0 and 1, as logs that are old enough hold them.

    offset      int64  @0
    size        int32  @8      bytes that follow this field
    crc         uint32 @12     CRC-32 of all from @16 on
    magic       int8   @16     0 or 1
    attributes  int8   @17     bits 0-2 codec, 3 LogAppendTime (magic 1)
    timestamp   int64  @18     magic 1 only
    key         int32 length, -1 for null; then so many bytes
    value       likewise

A message with a codec is a wrapper: its value is a compressed message set of the same magic, in which nothing is
compressed again. Offsets inside a wrapper of magic 0 are those of the log. With magic 1 (KIP-31) they count from 0, and
the wrapper has the offset of the last of them; where it has a smaller one, no broker has given offsets yet. If a
wrapper is marked LogAppendTime, its timestamp is that of all messages inside (KIP-32).

Nothing here writes: all that writes today writes batches. Kafka: LegacyRecord.java, AbstractLegacyRecordBatch.java.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from odradek.protocol.primitives import Buffer, ProtocolError
from odradek.protocol.records.batch import (
    CODEC_MASK,
    LENGTH_COVERS_FROM,
    LOG_APPEND_TIME_FLAG,
    MAGIC,
    MAGIC_POSITION,
    NO_TIMESTAMP,
)
from odradek.protocol.records.codecs import Codec, decompress
from odradek.protocol.records.record import (
    CREATE_TIME,
    LOG_APPEND_TIME,
    MAX_UNCOMPRESSED_BYTES,
    NO_TIMESTAMP_TYPE,
    Record,
    decode_batch,
)

_HEADER = struct.Struct(">qiIbb")
_SIZE = struct.Struct(">i")
_SIZE_POSITION = 8
_TIMESTAMP = struct.Struct(">q")
_LENGTH = struct.Struct(">i")
_CRC_COVERS_FROM = 16
_MIN_BYTES = {0: 26, 1: 34}
"""By magic, a message whose key and value are null."""
_LAST_CODEC = Codec.LZ4
"""Zstd came later (KIP-110)."""

_LZ4_DESCRIPTORS = {b"\x60\x40": 0x82, b"\x60\x50": 0xFB, b"\x60\x60": 0x51, b"\x60\x70": 0x73}
"""By flags and block size of an lz4 frame, the right checksum. Kafka wrote wrong ones with magic 0 (KIP-57)."""
_LZ4_DESCRIPTOR = slice(4, 6)
_LZ4_CHECKSUM_POSITION = 6


class Message(NamedTuple):
    """One message, which may be a wrapper."""

    offset: int
    magic: int
    codec: Codec
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None


def decode_message_set(buffer: Buffer, max_bytes: int = MAX_UNCOMPRESSED_BYTES) -> list[Record]:
    """The records of all messages, and of all batches of magic 2 that may be among them where a log was upgraded.

    What is cut off at the end is left out. The messages in wrappers may be `max_bytes` in all, those of each batch too.
    Raises ProtocolError, also where a message does not match its checksum; those of batches are the caller's concern.
    """
    records: list[Record] = []
    position = 0
    while (end := _end_of_entry(buffer, position)) is not None:
        if buffer[position + MAGIC_POSITION] == MAGIC:
            records += decode_batch(buffer, position, max_bytes)
        else:
            message = _read_message(buffer, position, end)
            if message.codec == Codec.NONE:
                records.append(_record(message))
            else:
                inner = _uncompressed(message, max_bytes)
                max_bytes -= len(inner)
                records += _unwrapped(message, inner)
        position = end
    return records


def _end_of_entry(buffer: Buffer, position: int) -> int | None:
    """Where the message or batch ends that begins at `position`, as it says; None where it is not all there."""
    if len(buffer) - position <= MAGIC_POSITION:
        return None
    (size,) = _SIZE.unpack_from(buffer, position + _SIZE_POSITION)
    end: int = position + LENGTH_COVERS_FROM + size
    return end if end <= len(buffer) else None


def _read_message(buffer: Buffer, position: int, end: int) -> Message:
    magic = buffer[position + MAGIC_POSITION]
    if magic not in _MIN_BYTES:
        raise ProtocolError(f"magic {magic} is unknown")
    if end - position < _MIN_BYTES[magic]:
        raise ProtocolError(f"a message of magic {magic} in {end - position} bytes")
    offset, _, crc, magic, attributes = _HEADER.unpack_from(buffer, position)
    if zlib.crc32(memoryview(buffer)[position + _CRC_COVERS_FROM : end]) != crc:
        raise ProtocolError(f"the message at offset {offset} does not match its checksum")
    if attributes & CODEC_MASK > _LAST_CODEC:
        raise ProtocolError(f"codec {attributes & CODEC_MASK} is unknown to messages of magic {magic}")
    position += _HEADER.size
    timestamp, timestamp_type = NO_TIMESTAMP, NO_TIMESTAMP_TYPE
    if magic > 0:
        (timestamp,) = _TIMESTAMP.unpack_from(buffer, position)
        timestamp_type = LOG_APPEND_TIME if attributes & LOG_APPEND_TIME_FLAG else CREATE_TIME
        position += _TIMESTAMP.size
    key, position = _read_nullable(buffer, position, end)
    value, position = _read_nullable(buffer, position, end)
    if position != end:
        raise ProtocolError(f"{end - position} bytes behind the value of the message at offset {offset}")
    return Message(offset, magic, Codec(attributes & CODEC_MASK), timestamp, timestamp_type, key, value)


def _read_nullable(buffer: Buffer, position: int, end: int) -> tuple[bytes | None, int]:
    if end - position < _LENGTH.size:
        raise ProtocolError("a message ends early")
    (length,) = _LENGTH.unpack_from(buffer, position)
    position += _LENGTH.size
    if length == -1:
        return None, position
    if not 0 <= length <= end - position:
        raise ProtocolError(f"a key or value of {length} bytes, where {end - position} are left")
    return bytes(buffer[position : position + length]), position + length


def _record(message: Message) -> Record:
    return Record(message.offset, message.timestamp, message.key, message.value, timestamp_type=message.timestamp_type)


def _uncompressed(wrapper: Message, max_bytes: int) -> bytes:
    data = wrapper.value
    if data is None:
        raise ProtocolError(f"the wrapper at offset {wrapper.offset} is empty")
    if wrapper.codec == Codec.LZ4 and wrapper.magic == 0:
        data = _with_lz4_checksum(data)
    return decompress(wrapper.codec, data, max_bytes)


def _with_lz4_checksum(frame: bytes) -> bytes:
    """The frame with the right checksum in its header, where it is of a kind that Kafka wrote."""
    checksum = _LZ4_DESCRIPTORS.get(frame[_LZ4_DESCRIPTOR])
    if checksum is None:
        return frame
    return frame[:_LZ4_CHECKSUM_POSITION] + bytes((checksum,)) + frame[_LZ4_CHECKSUM_POSITION + 1 :]


def _unwrapped(wrapper: Message, inner: bytes) -> list[Record]:
    messages = []
    position = 0
    while (end := _end_of_entry(inner, position)) is not None:
        message = _read_message(inner, position, end)
        if message.magic != wrapper.magic or message.codec != Codec.NONE:
            raise ProtocolError(f"the wrapper at offset {wrapper.offset} holds a message of another kind")
        messages.append(message)
        position = end
    if not messages or position != len(inner):
        raise ProtocolError(f"the wrapper at offset {wrapper.offset} ends early")
    base_offset = max(0, wrapper.offset - messages[-1].offset) if wrapper.magic > 0 else 0
    log_append = wrapper.timestamp_type == LOG_APPEND_TIME
    return [
        Record(
            base_offset + message.offset,
            wrapper.timestamp if log_append else message.timestamp,
            message.key,
            message.value,
            timestamp_type=wrapper.timestamp_type,
        )
        for message in messages
    ]
