"""The header of a batch: a real one is read, damage is noticed, and what a broker stamps changes nothing else."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from crc32c import crc32c

from odradek.protocol.primitives import Buffer, ProtocolError
from odradek.protocol.records.batch import (
    HEADER_BYTES,
    BatchHeader,
    crc_is_valid,
    iter_headers,
    read_header,
    read_whole_header,
    stamp,
    stamp_log_append_time,
    stamp_producer,
)
from odradek.protocol.records.codecs import Codec
from odradek.protocol.records.record import LOG_APPEND_TIME, decode_batch
from tests.protocol.records.kafka_batches import COMMIT, COMPRESSED, PLAIN, TRANSACTIONAL


def test_a_header_that_kafka_wrote_is_read() -> None:
    header = read_header(PLAIN)
    assert header == BatchHeader(
        base_offset=0,
        batch_length=62,
        partition_leader_epoch=0,
        magic=2,
        crc=0xF4923417,
        attributes=0,
        last_offset_delta=0,
        base_timestamp=1795439615150,
        max_timestamp=1795439615150,
        producer_id=4,
        producer_epoch=0,
        base_sequence=0,
        record_count=1,
    )
    assert header.size_bytes == len(PLAIN)
    assert crc_is_valid(PLAIN, 0, header)


def test_offsets_and_sequences_follow_from_the_header() -> None:
    header = read_header(TRANSACTIONAL)._replace(base_offset=100, base_sequence=2**31 - 2)
    assert (header.last_offset, header.next_offset) == (102, 103)
    assert header.last_sequence == 0, "after 2147483647 comes 0"
    assert header._replace(base_sequence=-1).last_sequence == -1


@pytest.mark.parametrize("codec", list(COMPRESSED))
def test_attributes_say_what_kind_of_batch_it_is(codec: Codec) -> None:
    assert read_header(COMPRESSED[codec]).codec is codec
    assert read_header(PLAIN).codec is Codec.NONE
    kinds = [(h.is_transactional, h.is_control) for h in map(read_header, (PLAIN, TRANSACTIONAL, COMMIT))]
    assert kinds == [(False, False), (True, False), (True, True)]


def test_the_delete_horizon_takes_the_place_of_the_base_timestamp() -> None:
    header = read_header(PLAIN)
    assert header.delete_horizon_ms is None
    assert header._replace(attributes=0x40, base_timestamp=77).delete_horizon_ms == 77


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_any_buffer_will_do_and_any_position(wrap: Callable[[bytes], Buffer]) -> None:
    data = wrap(b"???" + PLAIN)
    header = read_whole_header(data, 3)
    assert header == read_header(PLAIN)
    assert crc_is_valid(data, 3, header)


def changed(layout: str, position: int, value: int) -> bytearray:
    out = bytearray(PLAIN)
    struct.pack_into(layout, out, position, value)
    return out


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PLAIN[: HEADER_BYTES - 1], id="short"),
        pytest.param(changed(">b", 16, 1), id="magic 1"),
        pytest.param(changed(">b", 16, 3), id="magic 3"),
        pytest.param(changed(">i", 8, 48), id="shorter than its header"),
        pytest.param(changed(">i", 8, -1), id="negative length"),
        pytest.param(changed(">h", 21, 5), id="codec 5"),
        pytest.param(changed(">h", 21, -1), id="codec 7"),
    ],
)
def test_a_header_that_cannot_be_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_header(data)


def test_a_whole_header_wants_the_whole_batch() -> None:
    assert read_header(PLAIN[:-1]) == read_whole_header(PLAIN)
    with pytest.raises(ProtocolError, match="lacks the last 1"):
        read_whole_header(PLAIN[:-1])


def test_batches_are_walked_over_until_one_is_cut_off() -> None:
    data = PLAIN + COMMIT + TRANSACTIONAL
    whole = [(0, read_header(PLAIN)), (len(PLAIN), read_header(COMMIT))]
    for end in range(len(PLAIN) + len(COMMIT), len(data)):
        assert list(iter_headers(data[:end])) == whole
    assert len(list(iter_headers(data))) == 3
    assert list(iter_headers(b"")) == []


def test_a_walk_stops_with_an_error_at_what_is_no_batch() -> None:
    walk = iter_headers(PLAIN + changed(">b", 16, 1))
    next(walk)
    with pytest.raises(ProtocolError, match="magic 1"):
        next(walk)


def test_every_flipped_bit_behind_the_checksum_is_noticed() -> None:
    header = read_header(PLAIN)
    for position in range(21, len(PLAIN)):
        for bit in range(8):
            damaged = bytearray(PLAIN)
            damaged[position] ^= 1 << bit
            assert not crc_is_valid(damaged, 0, header)


def test_a_batch_that_is_cut_off_does_not_match_its_checksum() -> None:
    assert not crc_is_valid(PLAIN[:-1], 0, read_header(PLAIN))
    cut_off = PLAIN[:-1]
    header = read_header(PLAIN)._replace(crc=crc32c(cut_off[21:]))
    assert not crc_is_valid(cut_off, 0, header), "not even where what is left does"


def test_a_leaders_stamp_leaves_the_checksum_valid() -> None:
    data = bytearray(b"??" + PLAIN)
    stamp(data, 2, 2**40, 17)
    header = read_header(data, 2)
    assert (header.base_offset, header.partition_leader_epoch) == (2**40, 17)
    assert header == read_header(PLAIN)._replace(base_offset=2**40, partition_leader_epoch=17)
    assert crc_is_valid(data, 2, header)
    assert data[:2] + data[2 + HEADER_BYTES :] == b"??" + PLAIN[HEADER_BYTES:]


def test_log_append_time_is_that_of_every_record() -> None:
    data = bytearray(b"??" + TRANSACTIONAL + b"??")
    stamp_log_append_time(memoryview(data), 2, read_header(data, 2), 5_000)
    header = read_header(data, 2)
    assert header.timestamp_type_log_append and header.is_transactional
    assert (header.base_timestamp, header.max_timestamp) == (1795442090609, 5_000)
    assert crc_is_valid(data, 2, header)
    assert [(r.timestamp, r.timestamp_type) for r in decode_batch(data, 2)] == [(5_000, LOG_APPEND_TIME)] * 3
    assert data[:2] == data[-2:] == b"??"


def test_a_batch_is_numbered_anew() -> None:
    data = bytearray(b"??" + TRANSACTIONAL + b"??")
    stamp_producer(data, 2, 9, 8, 7)
    header = read_header(data, 2)
    before = read_header(TRANSACTIONAL)
    assert header == before._replace(producer_id=9, producer_epoch=8, base_sequence=7, crc=header.crc)
    assert crc_is_valid(data, 2, header)
    assert decode_batch(data, 2) == decode_batch(TRANSACTIONAL)
    assert data[:2] == data[-2:] == b"??"


def test_only_a_whole_batch_is_numbered_anew() -> None:
    with pytest.raises(ProtocolError):
        stamp_producer(bytearray(PLAIN[:-1]), 0, 9, 8, 7)
