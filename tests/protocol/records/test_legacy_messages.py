"""Message sets of magic 0 and 1, as other clients write them, and as an old broker stored them."""

from __future__ import annotations

import struct
import zlib

import lz4.frame
import pytest

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.codecs import Codec, compress
from odradek.protocol.records.legacy import decode_message_set
from odradek.protocol.records.record import CREATE_TIME, LOG_APPEND_TIME, NO_TIMESTAMP_TYPE, Record
from tests.protocol.records.kafka_batches import PLAIN, PLAIN_RECORDS
from tests.protocol.records.other_clients import OTHER_CLIENTS, OtherClient
from tests.protocol.records.record_samples import NOW

each_client = pytest.mark.parametrize("client", OTHER_CLIENTS, ids=[client.name for client in OTHER_CLIENTS])
each_magic = pytest.mark.parametrize("magic", [0, 1])
OLD_CODECS = [Codec.GZIP, Codec.SNAPPY, Codec.LZ4]
WRAPPERS = [(1, codec) for codec in OLD_CODECS] + [(0, Codec.GZIP), (0, Codec.SNAPPY)]
"""Those that the other clients can make."""

CONTENTS: list[tuple[bytes | None, bytes | None]] = [(b"k", b"v"), (None, b"v"), (b"k", None), (b"", b"x" * 300)]
RECORDS = [Record(place, NOW + place, key, value) for place, (key, value) in enumerate(CONTENTS)]


def in_magic(magic: int, records: list[Record], base_offset: int = 0) -> list[Record]:
    """The records as a message set of that magic gives them."""
    if magic > 0:
        return [Record(base_offset + r.offset, r.timestamp, r.key, r.value) for r in records]
    return [Record(base_offset + r.offset, -1, r.key, r.value, (), NO_TIMESTAMP_TYPE) for r in records]


def message(
    magic: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    *,
    timestamp: int = NOW,
    attributes: int = 0,
    extra: bytes = b"",
) -> bytes:
    """One message by hand; `extra` is put behind its value."""
    body = struct.pack(">bb", magic, attributes) + (struct.pack(">q", timestamp) if magic else b"")
    for part in (key, value):
        body += struct.pack(">i", -1) if part is None else struct.pack(">i", len(part)) + part
    body += extra
    return struct.pack(">qiI", offset, len(body) + 4, zlib.crc32(body)) + body


def wrapper(magic: int, offset: int, codec: Codec, inner: bytes, *, timestamp: int = NOW, attributes: int = 0) -> bytes:
    data = compress(codec, inner)
    return message(magic, offset, None, data, timestamp=timestamp, attributes=codec | attributes)


def three(magic: int) -> bytes:
    """Three messages as they are inside a wrapper, numbered as is usual for the magic: from 10 on, or from 0 on."""
    first = 0 if magic else 10
    return b"".join(message(magic, first + n, b"k", bytes([n]), timestamp=NOW + n) for n in range(3))


@each_client
@each_magic
def test_messages_of_other_clients_are_read(client: OtherClient, magic: int) -> None:
    data = client.build_message_set(RECORDS, magic, Codec.NONE)
    assert decode_message_set(data) == in_magic(magic, RECORDS)
    assert len(client.read(data)) == len(RECORDS)


@each_client
@pytest.mark.parametrize(("magic", "codec"), WRAPPERS)
def test_wrappers_of_other_clients_are_read(client: OtherClient, magic: int, codec: Codec) -> None:
    assert decode_message_set(client.build_message_set(RECORDS, magic, codec)) == in_magic(magic, RECORDS)


@pytest.mark.parametrize("codec", OLD_CODECS)
def test_offsets_in_a_wrapper_of_magic_1_count_up_to_that_of_the_wrapper(codec: Codec) -> None:
    records = decode_message_set(wrapper(1, 12, codec, three(1)))
    assert records == [Record(10 + n, NOW + n, b"k", bytes([n])) for n in range(3)]


def test_offsets_that_compaction_left_in_a_wrapper_are_kept() -> None:
    inner = message(1, 0, b"a", b"") + message(1, 5, b"b", b"")
    assert [r.offset for r in decode_message_set(wrapper(1, 100, Codec.GZIP, inner))] == [95, 100]


def test_offsets_in_a_wrapper_of_magic_0_are_those_of_the_log() -> None:
    records = decode_message_set(wrapper(0, 12, Codec.GZIP, three(0)))
    assert [(r.offset, r.timestamp, r.timestamp_type) for r in records] == [
        (10, -1, NO_TIMESTAMP_TYPE),
        (11, -1, NO_TIMESTAMP_TYPE),
        (12, -1, NO_TIMESTAMP_TYPE),
    ]


def test_log_append_time_is_the_wrappers() -> None:
    data = wrapper(1, 12, Codec.GZIP, three(1), timestamp=NOW + 99, attributes=0x08)
    assert [(r.timestamp, r.timestamp_type) for r in decode_message_set(data)] == [(NOW + 99, LOG_APPEND_TIME)] * 3
    single = message(1, 5, None, b"v", attributes=0x08)
    assert decode_message_set(single) == [Record(5, NOW, None, b"v", (), LOG_APPEND_TIME)]
    assert decode_message_set(message(1, 5, None, b"v"))[0].timestamp_type == CREATE_TIME


@pytest.mark.parametrize("block_size", [4, 5, 6, 7])
def test_the_wrong_lz4_checksum_of_old_kafka_is_forgiven_in_magic_0_alone(block_size: int) -> None:
    def wrapped(magic: int, damage: int) -> bytes:
        compressor = lz4.frame.LZ4FrameCompressor(block_size=block_size, block_linked=False)
        frame = bytearray(compressor.begin() + compressor.compress(three(magic)) + compressor.flush())
        frame[6] ^= damage
        return message(magic, 12, None, bytes(frame), attributes=Codec.LZ4)

    assert decode_message_set(wrapped(0, 0x55)) == decode_message_set(wrapped(0, 0))
    assert decode_message_set(wrapped(1, 0))
    with pytest.raises(ProtocolError, match="lz4"):
        decode_message_set(wrapped(1, 0x55))


def test_old_and_new_may_lie_behind_each_other() -> None:
    data = message(0, 0, b"k", b"0") + message(1, 1, b"k", b"1") + wrapper(1, 4, Codec.GZIP, three(1)) + PLAIN
    records = decode_message_set(data)
    assert [r.offset for r in records] == [0, 1, 2, 3, 4, 0]
    assert records[-1:] == PLAIN_RECORDS
    for end in range(len(data) - len(PLAIN), len(data)):
        assert decode_message_set(data[:end]) == records[:-1], "a torn tail is left out"


@each_magic
def test_every_flipped_bit_behind_the_size_is_noticed(magic: int) -> None:
    good = message(magic, 5, b"key", b"value")
    assert decode_message_set(good)
    for position in range(12, len(good)):
        for bit in range(8):
            damaged = bytearray(good)
            damaged[position] ^= 1 << bit
            with pytest.raises(ProtocolError):
                decode_message_set(damaged)


DAMAGED = [
    ("magic 3", message(3, 0, None, None)),
    ("magic -1", message(-1, 0, None, None)),
    ("a negative size", struct.pack(">qi", 0, -1) + bytes(40)),
    ("a size too small", struct.pack(">qiIbb", 0, 10, 0, 1, 0) + bytes(40)),
    ("no size at all", struct.pack(">qiIbb", 0, 0, 0, 1, 0) + bytes(40)),
    ("a header that is cut off by the size", struct.pack(">qiIb", 0, 5, 0, 1)),
    ("zstd, which came later", message(1, 0, None, b"", attributes=4)),
    ("codec 7", message(1, 0, None, b"", attributes=7)),
    ("a byte behind the value", message(1, 0, b"k", b"v", extra=b"!")),
    ("a wrapper without a value", message(1, 0, None, None, attributes=1)),
    ("a wrapper with rubbish", message(1, 0, None, b"rubbish", attributes=1)),
    ("a wrapper with nothing in it", wrapper(1, 0, Codec.GZIP, b"")),
    ("a wrapper cut off inside", wrapper(1, 2, Codec.GZIP, three(1)[:-1])),
    ("a wrapper with another magic in it", wrapper(1, 2, Codec.GZIP, three(0))),
    ("a wrapper in a wrapper", wrapper(1, 2, Codec.GZIP, wrapper(1, 2, Codec.GZIP, three(1)))),
    ("a wrapper with damage in it", wrapper(1, 2, Codec.GZIP, three(1)[:-1] + b"!")),
]


@pytest.mark.parametrize("data", [case[1] for case in DAMAGED], ids=[case[0] for case in DAMAGED])
def test_damage_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_message_set(data)


def sized(body: bytes) -> bytes:
    """A message around a body with a right checksum and any lengths in it."""
    return struct.pack(">qiI", 0, len(body) + 4, zlib.crc32(body)) + body


@pytest.mark.parametrize("length", [-2, -(2**31), 5, 2**31 - 1])
@pytest.mark.parametrize("which", ["key", "value"])
def test_a_length_that_cannot_be_is_refused(length: int, which: str) -> None:
    head = struct.pack(">bbq", 1, 0, NOW)
    lengths = (length, -1) if which == "key" else (-1, length)
    with pytest.raises(ProtocolError):
        decode_message_set(sized(head + struct.pack(">ii", *lengths)))


def test_wrappers_share_what_they_may_swell_to() -> None:
    inner = message(1, 0, None, bytes(10_000))
    data = wrapper(1, 0, Codec.GZIP, inner) + wrapper(1, 1, Codec.GZIP, inner)
    assert len(decode_message_set(data, max_bytes=2 * len(inner))) == 2
    with pytest.raises(ProtocolError):
        decode_message_set(data, max_bytes=2 * len(inner) - 1)
