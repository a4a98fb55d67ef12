"""Reading through a sealed segment, piece by piece."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from odradek_broker.log import scrub
from odradek_broker.log.config import LogConfig
from odradek_broker.log.failures import DamagedLog
from odradek_broker.log.scrub import Place, read_piece
from odradek_broker.log.segment import Segment
from tests.log.log_batches import batch, headers
from tests.log.log_fixtures import LogHouse, append

COUNT = 12


@pytest.fixture
def segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Segment:
    monkeypatch.setattr(scrub, "PIECE_BYTES", 160)
    log = LogHouse(tmp_path, LogConfig()).open()
    for number in range(COUNT):
        append(log, batch(b"%d" % number, b"second"), epoch=number // 5)
    log.roll(0)
    return log.segments.first.reader()


def pieces(segment: Segment) -> list[Place]:
    place: Place | None = Place(0, segment.base_offset)
    found = []
    while place is not None:
        found.append(place)
        place = read_piece(segment, place)
    return found


def test_a_sound_segment_is_read_to_its_end_and_each_piece_has_a_bound(segment: Segment) -> None:
    size = headers(Path(segment.path(".log")).read_bytes())[0].size_bytes
    assert 80 < size < 160, "two batches are a piece"
    found = pieces(segment)
    assert len(found) == COUNT // 2 and [place.next_offset for place in found] == list(range(0, 2 * COUNT, 4))


def test_damage_anywhere_is_met_with_the_place_where_it_begins(segment: Segment) -> None:
    path = Path(segment.path(".log"))
    whole = path.read_bytes()
    positions = [0]
    for header in headers(whole):
        positions.append(positions[-1] + header.size_bytes)
    for number, (start, end) in enumerate(pairwise(positions)):
        for byte in range(start + 8, end):
            if byte - start in range(12, 16):
                continue  # the leader epoch, which no checksum covers
            path.write_bytes(whole[:byte] + bytes([whole[byte] ^ 0x40]) + whole[byte + 1 :])
            with pytest.raises(DamagedLog) as damaged:
                pieces(segment.reader())
            assert (damaged.value.position, damaged.value.offset) == (start, 2 * number), byte


def test_a_segment_that_goes_on_behind_the_beginning_of_the_next_is_damaged(segment: Segment) -> None:
    assert read_piece(segment, Place(0, 0), before=4) is not None
    with pytest.raises(DamagedLog) as damaged:
        read_piece(segment, Place(0, 0), before=3)
    assert damaged.value.offset == 2
