"""Records to batches: what goes in is decoded again, the size is exact, and a refused record leaves no trace."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.protocol.records.batch import HEADER_BYTES, crc_is_valid, read_header, stamp_producer
from odradek.protocol.records.builder import BatchBuilder, build_batch
from odradek.protocol.records.codecs import Codec
from odradek.protocol.records.record import Record, decode_batch
from tests.protocol.records.record_samples import EDGES, NOW, headers, maybe_bytes, samples, timestamps

ANY_RECORD = st.tuples(maybe_bytes, maybe_bytes, headers, timestamps)


def filled(*values: bytes, codec: Codec = Codec.NONE) -> BatchBuilder:
    builder = BatchBuilder(codec)
    for place, value in enumerate(values):
        assert builder.append(b"k", value, (), NOW + place) == place
    return builder


def test_a_batch_says_what_is_in_it() -> None:
    built = filled(b"a", b"b", b"c").build(7, 3, 50, is_transactional=True)
    header = read_header(built)
    assert header.size_bytes == len(built)
    assert (header.base_offset, header.last_offset_delta, header.record_count) == (0, 2, 3)
    assert (header.base_timestamp, header.max_timestamp) == (NOW, NOW + 2)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (7, 3, 50)
    assert header.is_transactional and not header.is_control and header.codec is Codec.NONE
    assert crc_is_valid(built, 0, header)
    assert [(r.offset, r.timestamp, r.key, r.value) for r in decode_batch(built)] == [
        (0, NOW, b"k", b"a"),
        (1, NOW + 1, b"k", b"b"),
        (2, NOW + 2, b"k", b"c"),
    ]


def test_without_numbers_a_batch_has_no_producer() -> None:
    header = read_header(filled(b"a").build())
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (-1, -1, -1)
    assert header.partition_leader_epoch == -1


@settings(deadline=None)
@given(st.lists(ANY_RECORD, min_size=1, max_size=8))
def test_the_size_is_exact_after_every_record(records: list[Any]) -> None:
    builder = BatchBuilder()
    assert builder.size_bytes == HEADER_BYTES
    for record in records:
        builder.append(*record)
        assert builder.size_bytes == len(builder.build())
    assert [(r.key, r.value, r.headers, r.timestamp) for r in decode_batch(builder.build())] == records
    assert builder.count == len(records)


@pytest.mark.parametrize("length", EDGES)
def test_lengths_at_the_edges_of_the_tables_are_right(length: int) -> None:
    for key, value in ((b"k" * length, None), (None, b"v" * length), (b"k" * length, b"v" * length)):
        for near in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12):  # so that the length of the record meets an edge too
            builder = BatchBuilder()
            builder.append(key and key[near:], value and value[near:], (), NOW)
            (record,) = decode_batch(builder.build())
            assert (record.key, record.value) == (key and key[near:], value and value[near:])
            assert builder.size_bytes == len(builder.build())


def test_a_batch_may_have_more_records_than_the_tables_have_entries() -> None:
    builder = BatchBuilder()
    for place in range(20_000):
        assert builder.append(None, b"", (), NOW) == place
    built = builder.build()
    assert builder.size_bytes == len(built)
    assert [r.offset for r in decode_batch(built)] == list(range(20_000))


def test_timestamps_go_both_ways() -> None:
    times = [NOW, NOW, NOW - 5, NOW + 100_000, NOW - 2**40, NOW, -1, 0, 2**62]
    built = build_batch([Record(timestamp=time) for time in times])
    header = read_header(built)
    assert (header.base_timestamp, header.max_timestamp) == (NOW, 2**62)
    assert [r.timestamp for r in decode_batch(built)] == times
    assert read_header(build_batch([Record(timestamp=-1)])).max_timestamp == -1


@pytest.mark.parametrize("codec", list(Codec))
def test_a_batch_is_compressed_when_it_is_built(codec: Codec) -> None:
    builder = filled(*[b"the same again " * 20] * 50, codec=codec)
    built = builder.build()
    assert read_header(built).codec is codec
    assert len(built) == builder.size_bytes if codec is Codec.NONE else len(built) < builder.size_bytes / 5
    assert crc_is_valid(built, 0, read_header(built))
    assert decode_batch(built) == decode_batch(filled(*[b"the same again " * 20] * 50).build())


def test_a_level_is_handed_on() -> None:
    values = [bytes(str(n * 7919 % 1000), "ascii") * 3 for n in range(2_000)]
    sizes = [
        len(build_batch([Record(value=value) for value in values], codec=Codec.ZSTD, level=level)) for level in (-5, 19)
    ]
    assert sizes[1] < sizes[0]


def test_a_batch_can_be_built_again_under_other_numbers() -> None:
    builder = filled(b"a", b"b", codec=Codec.ZSTD)
    first = builder.build(7, 3, 50)
    again = builder.build(7, 4, 0)
    assert builder.build(7, 3, 50) == first
    stamp_producer(first, 0, 7, 4, 0)
    assert first == again, "which is what stamping gives too"


def test_records_may_follow_after_a_build() -> None:
    builder = filled(b"a")
    builder.build()
    builder.append(None, b"b", (), NOW)
    assert [r.value for r in decode_batch(builder.build())] == [b"a", b"b"]


WRONG = [
    ("text as value", (b"k", "v", ()), TypeError),
    ("text as key", ("k", b"v", ()), TypeError),
    ("a number as value", (b"k", 5, ()), TypeError),
    ("bytearray, which may change", (b"k", bytearray(b"v"), ()), TypeError),
    ("memoryview, which may change", (b"k", memoryview(b"v"), ()), TypeError),
    ("text beside headers", (b"k", "v", (("h", b"x"),)), TypeError),
    ("bytes as header name", (b"k", b"v", ((b"h", b"x"),)), TypeError),
    ("no header name", (b"k", b"v", ((None, b"x"),)), TypeError),
    ("text as header value", (b"k", b"v", (("h", "x"),)), TypeError),
    ("a header name beyond UTF-8", (b"k", b"v", (("\ud800", b"x"),)), ValueError),
    ("a header that is no pair", (b"k", b"v", (("h",),)), ValueError),
]


@pytest.mark.parametrize(("arguments", "error"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
@pytest.mark.parametrize("before", [0, 2])
def test_a_record_that_is_refused_leaves_no_trace(arguments: Any, error: type[Exception], before: int) -> None:
    builder, untouched = filled(*[b"x"] * before), filled(*[b"x"] * before)
    with pytest.raises(error):
        builder.append(*cast("tuple[Any, Any, Any]", arguments), NOW + 1_000)
    assert (builder.count, builder.size_bytes) == (untouched.count, untouched.size_bytes)
    for each in (builder, untouched):
        each.append(b"k", b"after", (), NOW)
    assert builder.build() == untouched.build()


@pytest.mark.parametrize(
    ("timestamp", "error"),
    [(2**63, OverflowError), (-(2**63) - 1, OverflowError), (1.5, TypeError), ("now", TypeError), (None, TypeError)],
)
@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("pairs", [(), (("h", b"x"),)], ids=["bare", "with headers"])
def test_a_timestamp_that_cannot_be_leaves_no_trace(
    timestamp: Any, error: type[Exception], before: int, pairs: tuple[tuple[str, bytes], ...]
) -> None:
    builder, untouched = filled(*[b"x"] * before), filled(*[b"x"] * before)
    with pytest.raises(error):
        builder.append(None, None, pairs, timestamp)
    for each in (builder, untouched):
        each.append(b"k", b"after", (), NOW)
    assert builder.build() == untouched.build()


def test_an_empty_batch_is_never_built() -> None:
    with pytest.raises(AssertionError):
        BatchBuilder().build()


def test_build_batch_numbers_records_from_the_base_offset_on() -> None:
    built = build_batch(samples(), base_offset=500, leader_epoch=9, producer_id=1, producer_epoch=2, base_sequence=3)
    header = read_header(built)
    assert (header.base_offset, header.partition_leader_epoch) == (500, 9)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (1, 2, 3)
    assert [r.offset for r in decode_batch(built)] == list(range(500, 500 + len(samples())))
