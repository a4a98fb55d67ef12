"""Control batches: the markers that Kafka wrote are read, and ours are the same bytes."""

from __future__ import annotations

import struct

import pytest

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import crc_is_valid, read_header, stamp
from odradek.protocol.records.builder import BatchBuilder
from odradek.protocol.records.control import (
    ControlType,
    EndTransactionMarker,
    build_end_transaction_marker,
    control_type,
    end_transaction_marker,
    is_abort_or_commit,
    read_end_transaction_marker,
)
from odradek.protocol.records.record import Record, decode_batch
from tests.protocol.records.kafka_batches import ABORT, COMMIT, PLAIN


def test_the_markers_of_kafka_are_read() -> None:
    assert read_end_transaction_marker(COMMIT) == EndTransactionMarker(committed=True, coordinator_epoch=0)
    assert read_end_transaction_marker(b"?" + ABORT, 1) == EndTransactionMarker(committed=False, coordinator_epoch=0)
    assert is_abort_or_commit(COMMIT) and is_abort_or_commit(ABORT)


@pytest.mark.parametrize(("kafkas", "committed"), [(COMMIT, True), (ABORT, False)])
def test_a_marker_of_ours_is_the_bytes_of_kafka(kafkas: bytes, committed: bool) -> None:
    header = read_header(kafkas)
    ours = build_end_transaction_marker(106, 0, EndTransactionMarker(committed, 0), header.base_timestamp)
    assert crc_is_valid(ours, 0, read_header(ours))
    stamp(ours, 0, header.base_offset, header.partition_leader_epoch)
    assert ours == kafkas


def test_a_marker_keeps_who_ended_what() -> None:
    built = build_end_transaction_marker(2**40, 12, EndTransactionMarker(True, 77), 1_000)
    header = read_header(built)
    assert header.is_control and header.is_transactional
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (2**40, 12, -1)
    assert read_end_transaction_marker(built) == EndTransactionMarker(True, 77)


def control_batch(key: bytes | None, value: bytes | None = None) -> bytearray:
    builder = BatchBuilder()
    builder.append(key, value, (), 0)
    return builder.build(is_control=True)


def test_other_control_batches_are_no_markers() -> None:
    for kind in (2, 3, 4, 5, 6, 7, 1_000, -1):
        batch = control_batch(struct.pack(">hh", 0, kind), b"whatever")
        assert read_end_transaction_marker(batch) is None
        assert not is_abort_or_commit(batch)
    assert control_type(Record(key=struct.pack(">hh", 0, 2))) is ControlType.LEADER_CHANGE
    assert control_type(Record(key=struct.pack(">hh", 0, 1_000))) is ControlType.UNKNOWN


def test_a_later_version_may_say_more() -> None:
    record = Record(key=struct.pack(">hhq", 3, 1, 99), value=struct.pack(">hiq", 4, 5, 99))
    assert end_transaction_marker(record) == EndTransactionMarker(True, 5)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, None),
        (b"", b""),
        (b"\x00\x00\x00", bytes(6)),
        (struct.pack(">hh", -1, 1), bytes(6)),
        (struct.pack(">hh", 0, 1), None),
        (struct.pack(">hh", 0, 1), bytes(5)),
        (struct.pack(">hh", 0, 1), struct.pack(">hi", -1, 0)),
    ],
)
def test_a_damaged_marker_is_refused(key: bytes | None, value: bytes | None) -> None:
    with pytest.raises(ProtocolError):
        read_end_transaction_marker(control_batch(key, value))


def test_a_control_record_that_is_damaged_as_a_record_is_refused() -> None:
    with pytest.raises(ProtocolError):
        is_abort_or_commit(COMMIT[:-1])
    assert decode_batch(PLAIN), "whereas this is sound"
