"""Record batches that say of themselves what is not so, each with a checksum that is right."""

from __future__ import annotations

import zlib
from functools import cache

import cramjam
import lz4.frame
import zstandard

from odradek.protocol.records.batch import HEADER, HEADER_BYTES, BatchHeader, read_header, write_crc
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.codecs import Codec
from odradek.protocol.records.record import Record

MIB = 1024 * 1024


def good_batch(*values: bytes, key: bytes | None = b"k") -> bytearray:
    return build_batch([Record(timestamp=1, key=key, value=value) for value in values or (b"a", b"b")])


def forged(batch: bytes | bytearray | None = None, *, payload: bytes | None = None, **fields: int) -> bytearray:
    """A good batch but for its header's fields, and perhaps for what follows the header."""
    out = bytearray(good_batch() if batch is None else batch)
    if payload is not None:
        out[HEADER_BYTES:] = payload
        fields.setdefault("batch_length", len(out) - 12)
    header = BatchHeader._make(HEADER.unpack_from(out))._replace(**fields)
    HEADER.pack_into(out, 0, *header)
    write_crc(out, 0, len(out))
    return out


@cache
def bomb(codec: Codec, size_mib: int) -> bytes:
    """Compressed zeros."""
    zeros = bytes(MIB)
    if codec == Codec.GZIP:
        gzip = zlib.compressobj(1, zlib.DEFLATED, 31)
        return b"".join(gzip.compress(zeros) for _ in range(size_mib)) + gzip.flush()
    if codec == Codec.ZSTD:
        zstd = zstandard.ZstdCompressor().compressobj()
        return b"".join(zstd.compress(zeros) for _ in range(size_mib)) + zstd.flush()
    if codec == Codec.LZ4:
        one = lz4.frame.compress(zeros * 4, block_size=lz4.frame.BLOCKSIZE_MAX4MB, block_linked=False, store_size=False)
        return bytes(one[:7] + one[7:-4] * (size_mib // 4) + one[-4:])
    return bytes(cramjam.snappy.compress_raw(zeros * size_mib))


def bomb_batch(codec: Codec, size_mib: int, record_count: int = 2) -> bytearray:
    header = read_header(good_batch())
    return forged(
        payload=bomb(codec, size_mib),
        attributes=header.attributes | codec,
        record_count=record_count,
        last_offset_delta=record_count - 1,
    )


@cache
def crowd(codec: Codec, count: int, value: bytes = b"") -> bytes:
    """A good batch of very many records, of a few kilobytes: each has the key k, and all are of the time 1."""
    return bytes(build_batch([Record(timestamp=1, key=b"k", value=value)] * count, codec=codec))
