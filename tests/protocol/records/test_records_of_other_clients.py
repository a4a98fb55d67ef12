"""Batches of ours are read by other clients, and theirs by us; those of Apache Kafka itself too."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.protocol.records.batch import crc_is_valid, read_header, stamp_log_append_time
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.codecs import Codec
from odradek.protocol.records.record import LOG_APPEND_TIME, Record, decode_batch, decode_records
from tests.protocol.records.kafka_batches import (
    COMPRESSED,
    PLAIN,
    PLAIN_RECORDS,
    TRANSACTIONAL,
    TRANSACTIONAL_RECORDS,
    compressed_records,
)
from tests.protocol.records.other_clients import OTHER_CLIENTS, OtherClient
from tests.protocol.records.record_samples import headers, maybe_bytes, samples

each_client = pytest.mark.parametrize("client", OTHER_CLIENTS, ids=[client.name for client in OTHER_CLIENTS])
each_codec = pytest.mark.parametrize("codec", list(Codec))
TIMES = st.integers(0, 2**48)
"""Not -1, which aiokafka takes for none at all when it builds a batch."""
BATCHES = st.lists(st.builds(Record, st.just(0), TIMES, maybe_bytes, maybe_bytes, headers), min_size=1, max_size=5)


def numbered(records: list[Record], base_offset: int = 0) -> list[Record]:
    return [Record(base_offset + n, r.timestamp, r.key, r.value, r.headers) for n, r in enumerate(records)]


def test_batches_of_kafka_are_read() -> None:
    assert decode_batch(PLAIN) == PLAIN_RECORDS
    assert decode_batch(TRANSACTIONAL) == TRANSACTIONAL_RECORDS
    assert decode_records(PLAIN + TRANSACTIONAL) == PLAIN_RECORDS + TRANSACTIONAL_RECORDS


@pytest.mark.parametrize("codec", list(COMPRESSED))
def test_compressed_batches_of_kafka_are_read(codec: Codec) -> None:
    assert crc_is_valid(COMPRESSED[codec], 0, read_header(COMPRESSED[codec]))
    assert decode_batch(COMPRESSED[codec]) == compressed_records(codec)


def test_from_the_records_of_a_batch_of_kafka_the_same_bytes_are_built() -> None:
    header = read_header(PLAIN)
    built = build_batch(
        PLAIN_RECORDS, producer_id=header.producer_id, producer_epoch=0, base_sequence=0, base_offset=0, leader_epoch=0
    )
    assert built == PLAIN


@each_client
@each_codec
def test_ours_are_read_by_others(client: OtherClient, codec: Codec) -> None:
    records = samples()
    assert client.read(build_batch(records, codec=codec, base_offset=1_000)) == numbered(records, 1_000)


@each_client
@each_codec
def test_those_of_others_are_read_by_us(client: OtherClient, codec: Codec) -> None:
    records = samples()
    built = client.build(records, codec, is_transactional=True, producer_id=5, producer_epoch=6, base_sequence=7)
    header = read_header(built)
    assert crc_is_valid(built, 0, header)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (5, 6, 7)
    assert header.is_transactional and header.codec is codec
    assert decode_batch(built) == numbered(records)


@each_client
def test_uncompressed_batches_are_the_same_bytes(client: OtherClient) -> None:
    """But for the leader epoch, of which a producer knows nothing."""
    records = samples()
    theirs = client.build(records, Codec.NONE)
    assert build_batch(records, leader_epoch=read_header(theirs).partition_leader_epoch) == theirs


@each_client
@settings(max_examples=50, deadline=None)
@given(records=BATCHES, codec=st.sampled_from(Codec))
def test_any_records_are_exchanged(client: OtherClient, records: list[Record], codec: Codec) -> None:
    ours = build_batch(records, codec=codec)
    assert client.read(ours) == decode_batch(ours) == numbered(records)
    assert decode_batch(client.build(records, codec)) == numbered(records)


@each_client
def test_log_append_time_is_understood_alike(client: OtherClient) -> None:
    batch = build_batch(samples())
    stamp_log_append_time(batch, 0, read_header(batch), 123_456)
    assert client.read(batch) == decode_batch(batch)
    assert {(record.timestamp, record.timestamp_type) for record in client.read(batch)} == {(123_456, LOG_APPEND_TIME)}
