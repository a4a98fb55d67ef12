"""The five codecs of record batches, each held to a largest size when it is undone.

    gzip     zlib of the standard library: it stops where it is told to
    snappy   xerial blocks out (what Java writes); xerial blocks or one raw block in
    lz4      one frame of independent blocks out: Kafka reads no linked ones (KIP-57); any single frame in
    zstd     one frame

Invariants
    Whoever sends a bomb does not choose how much memory it takes: before anything of that size is allocated, the size
    that the data claims, or can have at most, has been compared with `max_bytes` - or the codec stops there by itself.
    Data of any kind is undone or raises ProtocolError.

Each call makes its own codec objects, so that threads may call at will. The libraries behind the last three (2 MiB) are
loaded by the first call that needs them: most brokers pass batches on as they are.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from enum import IntEnum

from odradek.protocol.primitives import Buffer, ProtocolError


class Codec(IntEnum):
    """Bits 0 to 2 of a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


def compress(codec: Codec, data: Buffer, level: int | None = None) -> bytes:
    """The data as Kafka's own clients would compress it. Without a level, Kafka's default; snappy has none.

    Raises ValueError or zlib.error for a level that the codec does not have.
    """
    if codec == Codec.GZIP:
        return _gzip(data, level)
    if codec == Codec.SNAPPY:
        return _xerial(data)
    if codec == Codec.LZ4:
        return _lz4(data, level)
    if codec == Codec.ZSTD:
        return _zstd(data, level)
    return bytes(data)


def decompress(codec: Codec, data: Buffer, max_bytes: int) -> bytes:
    """The data uncompressed. Raises ProtocolError where it is damaged or would be more than `max_bytes`."""
    if codec == Codec.NONE:
        _check_size(len(data), max_bytes)
        return bytes(data)
    try:
        if codec == Codec.GZIP:
            return _gunzip(data, max_bytes)
        if codec == Codec.SNAPPY:
            return _unsnappy(data, max_bytes)
        if codec == Codec.LZ4:
            return _unlz4(data, max_bytes)
        return _unzstd(data, max_bytes)
    except (zlib.error, struct.error, OSError, ValueError) as error:
        raise ProtocolError(f"damaged {Codec(codec).name.lower()} data: {error}") from None


def _check_size(size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        raise ProtocolError(f"{size_bytes} bytes of uncompressed records, where {max_bytes} are allowed")


# gzip

_GZIP_FORMAT = 16 + zlib.MAX_WBITS


def _gzip(data: Buffer, level: int | None) -> bytes:
    compressor = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION if level is None else level, zlib.DEFLATED, _GZIP_FORMAT)
    return compressor.compress(data) + compressor.flush()


def _gunzip(data: Buffer, max_bytes: int) -> bytes:
    decompressor = zlib.decompressobj(_GZIP_FORMAT)
    out = decompressor.decompress(data, max_bytes + 1)
    _check_size(len(out), max_bytes)
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("not exactly one member")
    return out


# snappy

_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER = _XERIAL_MAGIC + struct.pack(">ii", 1, 1)
_XERIAL_BLOCK_BYTES = 32 * 1024
_BLOCK_LENGTH = struct.Struct(">i")
_SNAPPY_MAX_RATIO = 22
"""No element of snappy gives more than 64 bytes for 3."""


def _xerial(data: Buffer) -> bytes:
    import cramjam

    pieces = [_XERIAL_HEADER]
    view = memoryview(data)
    for start in range(0, len(view), _XERIAL_BLOCK_BYTES):
        block = bytes(cramjam.snappy.compress_raw(view[start : start + _XERIAL_BLOCK_BYTES]))
        pieces.append(_BLOCK_LENGTH.pack(len(block)))
        pieces.append(block)
    return b"".join(pieces)


def _unsnappy(data: Buffer, max_bytes: int) -> bytes:
    if bytes(data[: len(_XERIAL_MAGIC)]) != _XERIAL_MAGIC:
        return _unsnappy_block(data, max_bytes)
    view = memoryview(data)
    pieces = []
    position, end = len(_XERIAL_HEADER), len(view)
    if position > end:
        raise ValueError("the xerial header ends early")
    while position < end:
        (length,) = _BLOCK_LENGTH.unpack_from(view, position)
        position += _BLOCK_LENGTH.size
        if not 0 < length <= end - position:
            raise ValueError(f"a block of {length} bytes, where {end - position} are left")
        piece = _unsnappy_block(view[position : position + length], max_bytes)
        max_bytes -= len(piece)
        pieces.append(piece)
        position += length
    return b"".join(pieces)


def _unsnappy_block(block: Buffer, max_bytes: int) -> bytes:
    import cramjam

    try:
        claimed = cramjam.snappy.decompress_raw_len(block)
        _check_size(claimed, max_bytes)
        if claimed > len(block) * _SNAPPY_MAX_RATIO:
            raise ValueError(f"{len(block)} bytes cannot become {claimed}")
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise ValueError(f"{error}") from None


# lz4

_LZ4_FAST = 0
_LZ4_FRAME = struct.Struct("<IBB")
_LZ4_MAGIC = 0x184D2204
_LZ4_BLOCK_CHECKSUM, _LZ4_CONTENT_SIZE, _LZ4_CONTENT_CHECKSUM, _LZ4_DICTIONARY_ID = 0x10, 0x08, 0x04, 0x01
_LZ4_UNCOMPRESSED = 1 << 31
_LZ4_MAX_RATIO = 255
_LZ4_BLOCK_LENGTH = struct.Struct("<I")


def _lz4(data: Buffer, level: int | None) -> bytes:
    import cramjam

    compressor = cramjam.lz4.Compressor(
        level=_LZ4_FAST if level is None else level, content_checksum=False, block_linked=False
    )
    compressor.compress(bytes(data))
    return bytes(compressor.finish())


def _unlz4(data: Buffer, max_bytes: int) -> bytes:
    import cramjam

    try:
        if _lz4_bound(data) <= max_bytes:
            return bytes(cramjam.lz4.decompress(data))
        out = bytearray(max_bytes)
        length = cramjam.lz4.decompress_into(data, out)
    except cramjam.DecompressionError as error:
        raise ValueError(f"{error}, or more than {max_bytes} bytes") from None
    del out[length:]
    return bytes(out)


def _lz4_bound(data: Buffer) -> int:
    """The most that a frame can become, by the sizes of its blocks. Nothing may follow the frame."""
    magic, flags, block_descriptor = _LZ4_FRAME.unpack_from(data)
    if magic != _LZ4_MAGIC:
        raise ValueError("no lz4 frame")
    block_max = 1 << (8 + 2 * (block_descriptor >> 4 & 0x07))
    position = _LZ4_FRAME.size + 1
    position += 8 * bool(flags & _LZ4_CONTENT_SIZE) + 4 * bool(flags & _LZ4_DICTIONARY_ID)
    trailer = 4 if flags & _LZ4_BLOCK_CHECKSUM else 0
    bound = 0
    while True:
        (length,) = _LZ4_BLOCK_LENGTH.unpack_from(data, position)
        position += _LZ4_BLOCK_LENGTH.size
        if length == 0:
            break
        if length & _LZ4_UNCOMPRESSED:
            length ^= _LZ4_UNCOMPRESSED
            bound += length
        else:
            bound += min(block_max, length * _LZ4_MAX_RATIO)
        position += length + trailer
    position += 4 if flags & _LZ4_CONTENT_CHECKSUM else 0
    if position != len(data):
        raise ValueError(f"a frame of {position} bytes in {len(data)}")
    return bound


# zstd

_ZSTD_LEVEL = 3
_ZSTD_UNKNOWN_SIZE = -1
_ZSTD_USUAL_RATIO = 16
_ZSTD_BLOCK_BYTES = 128 * 1024


def _zstd(data: Buffer, level: int | None) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL if level is None else level).compress(data)


def _unzstd(data: Buffer, max_bytes: int) -> bytes:
    import zstandard

    try:
        claimed = zstandard.frame_content_size(data)
        if claimed != _ZSTD_UNKNOWN_SIZE:
            _check_size(claimed, max_bytes)
            return _unzstd_into(data, claimed)
        usual = len(data) * _ZSTD_USUAL_RATIO + _ZSTD_BLOCK_BYTES
        if usual < max_bytes:
            with suppress(zstandard.ZstdError):  # damaged, or larger than usual
                return _unzstd_into(data, usual)
        return _unzstd_into(data, max_bytes)
    except zstandard.ZstdError as error:
        raise ValueError(f"{error}, or more than {max_bytes} bytes") from None


def _unzstd_into(data: Buffer, max_bytes: int) -> bytes:
    import zstandard

    return zstandard.ZstdDecompressor().decompress(data, max_output_size=max_bytes, allow_extra_data=False)
