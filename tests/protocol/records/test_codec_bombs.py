"""Bombs: small data that would become very large. Each is refused, and the memory of the process barely grows.

What native code allocates is seen only in the size of a process, so each bomb is set off in one of its own.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cramjam
import lz4.frame
import pytest
import zstandard

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.codecs import Codec, compress, decompress

MIB = 1024 * 1024
BOMB_MIB = 96
ALLOWED_BYTES = MIB
MAX_GROWTH_MIB = 16

SET_OFF = """
import resource, sys
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.codecs import Codec, compress, decompress

codec, allowed_bytes, path = Codec(int(sys.argv[1])), int(sys.argv[2]), sys.argv[3]
with open(path, "rb") as file:
    bomb = file.read()
assert decompress(codec, compress(codec, bytes(1000)), 1000) == bytes(1000)  # the library is warm
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decompress(codec, bomb, allowed_bytes)
except ProtocolError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
else:
    print("it went off")
"""


@cache
def gzip_bomb() -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(MIB)
    return b"".join(compressor.compress(zeros) for _ in range(BOMB_MIB)) + compressor.flush()


@cache
def snappy_bomb() -> bytes:
    return bytes(cramjam.snappy.compress_raw(bytes(BOMB_MIB * MIB)))


@cache
def xerial_bomb() -> bytes:
    compressed = compress(Codec.SNAPPY, bytes(32 * 1024))
    return compressed[:16] + compressed[16:] * (BOMB_MIB * 32)


@cache
def lz4_bomb() -> bytes:
    frame = lz4.frame.compress(
        bytes(4 * MIB), block_size=lz4.frame.BLOCKSIZE_MAX4MB, block_linked=False, store_size=False
    )
    head, block, end = frame[:7], frame[7:-4], frame[-4:]
    return bytes(head + block * (BOMB_MIB // 4) + end)


@cache
def zstd_bomb() -> bytes:
    return zstandard.ZstdCompressor().compress(bytes(BOMB_MIB * MIB))


@cache
def zstd_bomb_of_unknown_size() -> bytes:
    compressor = zstandard.ZstdCompressor().compressobj()
    zeros = bytes(MIB)
    return b"".join(compressor.compress(zeros) for _ in range(BOMB_MIB)) + compressor.flush()


BOMBS: list[tuple[Codec, Callable[[], bytes]]] = [
    (Codec.GZIP, gzip_bomb),
    (Codec.SNAPPY, snappy_bomb),
    (Codec.SNAPPY, xerial_bomb),
    (Codec.LZ4, lz4_bomb),
    (Codec.ZSTD, zstd_bomb),
    (Codec.ZSTD, zstd_bomb_of_unknown_size),
]


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
@pytest.mark.parametrize(("codec", "make"), BOMBS, ids=[make.__name__ for _, make in BOMBS])
def test_a_bomb_does_not_go_off(tmp_path: Path, codec: Codec, make: Callable[[], bytes]) -> None:
    bomb = make()
    (tmp_path / "bomb").write_bytes(bomb)
    done = subprocess.run(
        [sys.executable, "-c", SET_OFF, str(int(codec)), str(ALLOWED_BYTES), str(tmp_path / "bomb")],
        capture_output=True,
        text=True,
        check=True,
    )
    growth_kib, _, error = done.stdout.partition(" ")
    assert error, done.stdout
    assert int(growth_kib) < MAX_GROWTH_MIB * 1024, f"{growth_kib} KiB for {len(bomb)} bytes: {error}"


@pytest.mark.parametrize(("codec", "make"), BOMBS, ids=[make.__name__ for _, make in BOMBS])
def test_the_bombs_are_what_they_seem(codec: Codec, make: Callable[[], bytes]) -> None:
    """Were they damaged, that they are refused would say nothing."""
    bomb = make()
    assert len(decompress(codec, bomb, BOMB_MIB * MIB)) == BOMB_MIB * MIB
    assert len(bomb) < BOMB_MIB * MIB / 20


HUGE = 2**31 - 1


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        pytest.param(Codec.SNAPPY, b"\xff\xff\xff\xff\x07" + b"\x00x", id="snappy"),
        pytest.param(Codec.SNAPPY, b"\xff\xff\xff\xff\x0f" + b"\x00x", id="snappy of 4 GiB"),
        pytest.param(
            Codec.SNAPPY,
            compress(Codec.SNAPPY, b"")[:16] + struct.pack(">i", 7) + b"\xff\xff\xff\xff\x07\x00x",
            id="xerial",
        ),
        pytest.param(Codec.ZSTD, b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", HUGE) + b"\x01\x00\x00", id="zstd"),
        pytest.param(Codec.LZ4, b"\x04\x22\x4d\x18\x60\x70\x73" + struct.pack("<I", HUGE), id="lz4"),
    ],
)
def test_an_empty_claim_of_a_huge_size_is_refused(codec: Codec, data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decompress(codec, data, ALLOWED_BYTES)
    with pytest.raises(ProtocolError):
        decompress(codec, data, HUGE)


def test_snappy_is_not_begun_where_its_claim_cannot_be_true() -> None:
    """It would allocate what is claimed, and end the process where there is not so much."""
    with pytest.raises(ProtocolError, match="7 bytes cannot become 2147483647"):
        decompress(Codec.SNAPPY, b"\xff\xff\xff\xff\x07" + b"\x00x", HUGE)
