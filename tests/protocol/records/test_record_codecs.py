"""Compression: what goes in comes out, in the formats that others read, and never more than was allowed."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable

import cramjam
import lz4.frame
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.protocol.primitives import Buffer, ProtocolError
from odradek.protocol.records.codecs import Codec, compress, decompress

CODECS = list(Codec)
REAL_CODECS = CODECS[1:]
TEXT = json.dumps([{"id": n, "name": f"flight {n % 17}"} for n in range(10_000)]).encode()
LEVELS = {Codec.GZIP: (1, 6, 9), Codec.LZ4: (0, 1, 9, 12), Codec.ZSTD: (-5, 1, 3, 19)}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("data", [b"", b"x", bytes(100_000), TEXT], ids=["empty", "one", "zeros", "text"])
@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_what_goes_in_comes_out(codec: Codec, data: bytes, wrap: Callable[[bytes], Buffer]) -> None:
    compressed = compress(codec, wrap(data))
    again = decompress(codec, wrap(compressed), len(data))
    assert type(compressed) is type(again) is bytes
    assert again == data


@pytest.mark.parametrize("codec", CODECS)
@settings(deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_make_the_round_trip(codec: Codec, data: bytes) -> None:
    assert decompress(codec, compress(codec, data), len(data)) == data


@pytest.mark.parametrize(("codec", "level"), [(codec, level) for codec, levels in LEVELS.items() for level in levels])
def test_levels_change_the_size_and_nothing_else(codec: Codec, level: int) -> None:
    assert decompress(codec, compress(codec, TEXT, level), len(TEXT)) == TEXT
    if level == LEVELS[codec][-1]:
        assert len(compress(codec, TEXT, level)) < len(compress(codec, TEXT, LEVELS[codec][0]))


@pytest.mark.parametrize("codec", REAL_CODECS)
def test_text_gets_smaller(codec: Codec) -> None:
    assert len(compress(codec, TEXT)) < len(TEXT) / 3


@pytest.mark.parametrize("codec", CODECS)
def test_one_byte_more_than_allowed_is_refused(codec: Codec) -> None:
    compressed = compress(codec, TEXT)
    assert decompress(codec, compressed, len(TEXT)) == TEXT
    with pytest.raises(ProtocolError):
        decompress(codec, compressed, len(TEXT) - 1)


@pytest.mark.parametrize("codec", REAL_CODECS)
def test_what_is_cut_off_is_refused_wherever_the_cut_is(codec: Codec) -> None:
    compressed = compress(codec, TEXT[:100])
    for end in range(len(compressed)):
        if codec is Codec.SNAPPY and end == 16:
            continue  # no block at all, which is what nothing is compressed to
        with pytest.raises(ProtocolError):
            decompress(codec, compressed[:end], 1_000)


@pytest.mark.parametrize("codec", REAL_CODECS)
def test_what_follows_the_end_is_refused(codec: Codec) -> None:
    with pytest.raises(ProtocolError):
        decompress(codec, compress(codec, TEXT) + b"\x00\x00\x00\x05more", 2 * len(TEXT))


@pytest.mark.parametrize("codec", REAL_CODECS)
def test_a_second_frame_is_refused_for_the_bounds_are_those_of_one(codec: Codec) -> None:
    with pytest.raises(ProtocolError):
        decompress(codec, compress(codec, TEXT) * 2, 2 * len(TEXT))


def test_gzip_is_what_gzip_reads_and_writes() -> None:
    assert gzip.decompress(compress(Codec.GZIP, TEXT)) == TEXT
    assert decompress(Codec.GZIP, gzip.compress(TEXT), len(TEXT)) == TEXT


def test_snappy_comes_as_xerial_blocks_of_32_kib() -> None:
    compressed = compress(Codec.SNAPPY, TEXT)
    assert compressed.startswith(b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1))
    (length,) = struct.unpack_from(">i", compressed, 16)
    assert bytes(cramjam.snappy.decompress_raw(compressed[20 : 20 + length])) == TEXT[: 32 * 1024]


def test_snappy_without_framing_is_read_too() -> None:
    assert decompress(Codec.SNAPPY, bytes(cramjam.snappy.compress_raw(TEXT)), len(TEXT)) == TEXT


@pytest.mark.parametrize("length", [-1, 0, 1_000])
def test_a_xerial_block_has_a_length_that_can_be(length: int) -> None:
    compressed = bytearray(compress(Codec.SNAPPY, b"x" * 100))
    struct.pack_into(">i", compressed, 16, length)
    with pytest.raises(ProtocolError, match="block"):
        decompress(Codec.SNAPPY, compressed, 1_000)


def test_lz4_blocks_are_independent_as_kafka_demands() -> None:
    frame = compress(Codec.LZ4, TEXT)
    assert lz4.frame.decompress(frame) == TEXT
    info = lz4.frame.get_frame_info(frame)
    assert info["block_linked"] is False and info["content_checksum"] is False


@pytest.mark.parametrize("options", [{}, {"block_linked": False}, {"content_checksum": True, "block_checksum": True}])
@pytest.mark.parametrize("store_size", [True, False])
@pytest.mark.parametrize("block_size", [0, 4, 5, 6, 7])
def test_lz4_frames_of_every_kind_are_read(options: dict[str, bool], store_size: bool, block_size: int) -> None:
    frame = lz4.frame.compress(TEXT, block_size=block_size, store_size=store_size, **options)
    assert decompress(Codec.LZ4, frame, len(TEXT)) == TEXT


def test_lz4_that_does_not_shrink_is_stored_and_read() -> None:
    data = compress(Codec.ZSTD, TEXT)
    assert decompress(Codec.LZ4, compress(Codec.LZ4, data), len(data)) == data


def zstd_of_unknown_size(data: bytes) -> bytes:
    compressor = zstandard.ZstdCompressor().compressobj()
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize("data", [b"x", TEXT, bytes(10_000_000)], ids=["one", "text", "zeros"])
def test_zstd_is_read_whether_or_not_it_says_its_size(data: bytes) -> None:
    frame = zstd_of_unknown_size(data)
    assert zstandard.frame_content_size(frame) == -1
    assert decompress(Codec.ZSTD, frame, len(data)) == data
    assert decompress(Codec.ZSTD, frame, 2**28) == data
    with pytest.raises(ProtocolError):
        decompress(Codec.ZSTD, frame, len(data) - 1)


def test_zstd_of_unknown_size_that_is_cut_off_is_refused() -> None:
    frame = zstd_of_unknown_size(TEXT)
    for end in (1, 5, len(frame) // 2, len(frame) - 1):
        with pytest.raises(ProtocolError):
            decompress(Codec.ZSTD, frame[:end], 2**20)
