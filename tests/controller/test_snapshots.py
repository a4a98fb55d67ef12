"""A snapshot is the image: as records, and as a file that is whole or none."""

from __future__ import annotations

from random import Random

import pytest

from odradek.protocol.primitives import ProtocolError
from odradek_broker.controller import snapshot_file
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay
from odradek_broker.controller.snapshot import records_of
from odradek_broker.controller.snapshot_file import SnapshotId, decode_snapshot, encode_snapshot, snapshot_id_of
from tests.controller.decisions import decisions

EMPTY = MetadataImage(cluster_id="test")
ID = SnapshotId(17, 3)


@pytest.mark.parametrize("seed", range(10))
def test_the_records_of_an_image_make_it_again_after_any_decision(seed: int) -> None:
    kinds = set()
    for records, image in decisions(Random(seed), 150, EMPTY):
        kinds |= {type(record) for record in records}
        assert replay(EMPTY, records_of(image), image.offset) == image
    assert len(kinds) >= 9


def test_a_file_is_named_as_kafka_names_it() -> None:
    assert ID.file_name == "00000000000000000017-0000000003.checkpoint"
    assert snapshot_id_of(ID.file_name) == ID
    assert snapshot_id_of(ID.file_name + ".tmp") is None


@pytest.mark.parametrize("batch_bytes", [1, 300, 1 << 20])
def test_a_file_reads_back_in_however_many_batches(batch_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_file, "BATCH_BYTES", batch_bytes)
    *_, (_, image) = decisions(Random(1), 60, EMPTY)
    found = decode_snapshot(ID, encode_snapshot(ID, records_of(image), 1234))
    assert (found.id, found.timestamp_ms) == (ID, 1234)
    assert replay(EMPTY, found.records, image.offset) == image
    assert decode_snapshot(ID, encode_snapshot(ID, [], 1)).records == []


def test_a_file_that_is_cut_off_anywhere_or_has_more_behind_its_end_is_none() -> None:
    *_, (_, image) = decisions(Random(2), 20, EMPTY)
    whole = encode_snapshot(ID, records_of(image), 0)
    for length in range(len(whole)):
        with pytest.raises(ProtocolError):
            decode_snapshot(ID, whole[:length])
    with pytest.raises(ProtocolError, match="out of order"):
        decode_snapshot(ID, whole + whole)


def test_a_file_with_a_flipped_bit_is_none_or_says_the_same() -> None:
    """The leader epoch of a batch is not covered by its checksum, and nothing depends on it."""
    *_, (_, image) = decisions(Random(3), 20, EMPTY)
    whole = encode_snapshot(ID, records_of(image), 0)
    expected, noticed = decode_snapshot(ID, whole), 0
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        try:
            assert decode_snapshot(ID, bytes(damaged)) == expected
        except ProtocolError:
            noticed += 1
    assert noticed > len(whole) * 0.95
