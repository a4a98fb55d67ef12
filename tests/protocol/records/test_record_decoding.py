"""Batches to records: each field where it belongs, and every kind of damage refused before it costs anything."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable

import pytest

from odradek.protocol.primitives import Buffer, ProtocolError, encode_varint
from odradek.protocol.records.batch import HEADER_BYTES, read_header
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.codecs import Codec, compress
from odradek.protocol.records.record import (
    CREATE_TIME,
    LOG_APPEND_TIME,
    Record,
    decode_batch,
    decode_batch_as,
    decode_records,
)
from tests.protocol.records.record_samples import NOW, samples

varint = encode_varint


def batch_of(
    payload: bytes, count: int, *, attributes: int = 0, base_offset: int = 0, max_timestamp: int = NOW
) -> bytes:
    """A batch around any bytes, told to hold `count` records."""
    size = HEADER_BYTES - 12 + len(payload)
    return (
        struct.pack(
            ">qiibIhiqqqhii", base_offset, size, -1, 2, 0, attributes, count - 1, NOW, max_timestamp, -1, -1, -1, count
        )
        + payload
    )


def raw_record(
    key: bytes = b"\x01", value: bytes = b"\x01", headers: bytes = b"\x00", timestamp: int = 0, offset: int = 0
) -> bytes:
    """A record with key, value and headers as they are on the wire."""
    body = b"\x00" + varint(timestamp) + varint(offset) + key + value + headers
    return varint(len(body)) + body


def with_length(data: bytes) -> bytes:
    return varint(len(data)) + data


def test_a_batch_written_by_hand_is_read() -> None:
    payload = raw_record(with_length(b"k"), with_length(b"v"), offset=3, timestamp=-5)
    payload += raw_record(
        headers=varint(2) + with_length(b"a") + b"\x01" + with_length(b"") + with_length(b"x"), offset=9
    )
    assert decode_batch(batch_of(payload, 2, base_offset=100)) == [
        Record(103, NOW - 5, b"k", b"v", (), CREATE_TIME),
        Record(109, NOW, None, None, (("a", None), ("", b"x")), CREATE_TIME),
    ]


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_keys_and_values_are_bytes_whatever_the_buffer(wrap: Callable[[bytes], Buffer]) -> None:
    (record,) = decode_batch(wrap(b"???" + build_batch([Record(key=b"k", value=b"v", headers=(("h", b"x"),))])), 3)
    assert type(record.key) is type(record.value) is type(record.headers[0][1]) is bytes


def test_records_outlive_the_buffer() -> None:
    batch = build_batch([Record(key=b"k", value=b"value")])
    (record,) = decode_batch(batch)
    batch[:] = bytes(len(batch))
    assert (record.key, record.value) == (b"k", b"value")


@pytest.mark.parametrize("size", [1, 5, 9, 10])
def test_varints_longer_than_they_need_to_be_are_read(size: int) -> None:
    def long_varint(value: int) -> bytes:
        digits = [value * 2 >> 7 * place & 0x7F | 0x80 for place in range(size)]
        return bytes([*digits[:-1], digits[-1] & 0x7F])

    body = b"\x00" + long_varint(1) * 2 + (long_varint(1) + b"k") + (long_varint(1) + b"v") + long_varint(0)
    payload = varint(len(body)) + body
    assert decode_batch(batch_of(payload, 1)) == [Record(1, NOW + 1, b"k", b"v")]


@pytest.mark.parametrize("delta", [0, 1, 63, 64, 8_191, 8_192, 2**31, 2**40, 2**62])
def test_deltas_of_any_length_count_in_both_directions(delta: int) -> None:
    payload = raw_record(timestamp=delta, offset=delta) + raw_record(timestamp=-delta - 1, offset=-delta - 1)
    decoded = decode_batch(batch_of(payload, 2, base_offset=2**62))
    assert [(r.timestamp, r.offset) for r in decoded] == [
        (NOW + delta, 2**62 + delta),
        (NOW - delta - 1, 2**62 - delta - 1),
    ]


def test_with_log_append_time_every_record_has_the_largest_timestamp() -> None:
    payload = raw_record(timestamp=7) + raw_record(offset=1)
    decoded = decode_batch(batch_of(payload, 2, attributes=0x08, max_timestamp=NOW + 99))
    assert [(r.timestamp, r.timestamp_type) for r in decoded] == [(NOW + 99, LOG_APPEND_TIME)] * 2


def test_offsets_that_compaction_has_taken_out_stay_out() -> None:
    payload = raw_record(offset=2) + raw_record(offset=70) + raw_record(offset=10_000)
    assert [r.offset for r in decode_batch(batch_of(payload, 3, base_offset=10))] == [12, 80, 10_010]


def test_a_batch_that_compaction_has_emptied_has_no_records() -> None:
    assert decode_batch(batch_of(b"", 0)) == []


def test_records_are_made_as_wanted() -> None:
    batch = build_batch([Record(timestamp=NOW, value=b"a"), Record(timestamp=NOW, value=b"b")])
    assert decode_batch_as(lambda offset, _time, _key, value, _headers, _type: (offset, value), batch) == [
        (0, b"a"),
        (1, b"b"),
    ]


def test_several_batches_are_one_list_and_a_torn_tail_is_left_out() -> None:
    first, second = build_batch(samples()), build_batch(samples(), base_offset=1_000, codec=Codec.ZSTD)
    both = decode_batch(first) + decode_batch(second)
    assert decode_records(first + second) == both
    assert decode_records(first + second + first[:-1]) == both
    assert decode_records(first + second + first[:60]) == both
    assert decode_records(b"") == []


def test_a_header_name_that_is_not_utf8_does_not_stop_a_consumer() -> None:
    payload = raw_record(headers=varint(1) + with_length(b"\xff!") + with_length(b"\xff"))
    assert decode_batch(batch_of(payload, 1))[0].headers == (("\N{REPLACEMENT CHARACTER}!", b"\xff"),)


GOOD = raw_record(with_length(b"k"), with_length(b"v"))

DAMAGED = [
    ("a count of one too many", GOOD, 2),
    ("a count of one too few", GOOD * 2, 1),
    ("a negative count", GOOD, -1),
    ("a negative count of nothing", b"", -1),
    ("no records, but bytes", GOOD, 0),
    ("a record that ends early", GOOD[:-1], 1),
    ("a byte behind", GOOD + b"\x00", 1),
    ("nothing", b"", 1),
    ("a length too small", b"\x00" + GOOD[1:], 1),
    ("a length too large", varint(100) + GOOD[1:], 1),
    ("a negative length", varint(-9) + GOOD[1:], 1),
    ("a negative length of two bytes", bytes((0x80 | 0x11, 0x00)) + GOOD[1:], 1),
    ("a key of -2 bytes", raw_record(varint(-2)), 1),
    ("a key of -100 bytes", raw_record(varint(-100)), 1),
    ("a key that is too long", raw_record(varint(100) + b"k"), 1),
    ("a key of a gigabyte", raw_record(varint(2**30)), 1),
    ("a value of -2 bytes", raw_record(value=varint(-2)), 1),
    ("a value of -100 bytes", raw_record(value=varint(-100)), 1),
    ("a value of -100000 bytes", raw_record(value=varint(-100_000)), 1),
    ("a value that is too long", raw_record(value=varint(100) + b"v"), 1),
    ("a value of a gigabyte", raw_record(value=varint(2**30)), 1),
    ("a negative header count", raw_record(headers=varint(-1)), 1),
    ("a header that is not there", raw_record(headers=varint(1)), 1),
    ("two billion headers", raw_record(headers=varint(2**31 - 1)), 1),
    ("a header without a name", raw_record(headers=varint(1) + b"\x01" + b"\x01"), 1),
    ("a header name of null, behind which all is well", raw_record(headers=varint(1) + b"\x01") + GOOD, 2),
    ("a header name that is too long", raw_record(headers=varint(1) + varint(50) + b"\x01"), 1),
    ("a header value of -2 bytes", raw_record(headers=varint(1) + with_length(b"h") + varint(-2)), 1),
    ("a header value that is too long", raw_record(headers=varint(1) + with_length(b"h") + varint(50)), 1),
    ("a varint without end", b"\x80" * 30, 1),
    ("a timestamp without end", varint(40) + b"\x00" + b"\xff" * 39, 1),
]


@pytest.mark.parametrize(("payload", "count"), [case[1:] for case in DAMAGED], ids=[case[0] for case in DAMAGED])
@pytest.mark.parametrize("codec", [Codec.NONE, Codec.LZ4])
def test_damage_is_a_protocol_error(payload: bytes, count: int, codec: Codec) -> None:
    assert decode_batch(batch_of(GOOD, 1)), "the frame itself is sound"
    with pytest.raises(ProtocolError):
        decode_batch(batch_of(compress(codec, payload), count, attributes=codec))


def test_a_batch_that_is_cut_off_is_refused() -> None:
    with pytest.raises(ProtocolError):
        decode_batch(batch_of(GOOD, 1)[:-1])
    with pytest.raises(ProtocolError):
        decode_batch(batch_of(GOOD, 1), 1)


def test_compressed_data_that_is_none_is_refused() -> None:
    for codec in (Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD):
        with pytest.raises(ProtocolError):
            decode_batch(batch_of(GOOD, 1, attributes=codec))


def test_what_a_batch_may_swell_to_is_up_to_the_caller() -> None:
    batch = build_batch([Record(value=bytes(100_000))], codec=Codec.ZSTD)
    assert len(decode_batch(batch, max_bytes=101_000)) == len(decode_records(batch, max_bytes=101_000)) == 1
    for decode in (decode_batch, decode_records):
        with pytest.raises(ProtocolError, match="100000 are allowed"):
            decode(batch, max_bytes=100_000)


@pytest.mark.parametrize(
    ("payload", "count"),
    [
        (GOOD * 20_000, 2**31 - 1),
        (raw_record(headers=varint(2**31 - 1) + b"\x02h\x02v" * 20_000), 1),
        (raw_record(value=varint(2**31 - 1)), 1),
    ],
    ids=["records", "headers", "value"],
)
def test_a_count_that_cannot_be_costs_nothing(payload: bytes, count: int) -> None:
    batch = batch_of(payload, count)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            decode_batch(batch)
        assert tracemalloc.get_traced_memory()[1] < len(batch) + 50_000
    finally:
        tracemalloc.stop()


def test_the_header_alone_says_where_the_batch_ends() -> None:
    batch = batch_of(GOOD, 1)
    assert decode_batch(batch + b"rest") == decode_batch(batch)
    assert read_header(batch).size_bytes == len(batch)
