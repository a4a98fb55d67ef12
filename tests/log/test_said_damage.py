"""What had been on stable storage and does not read back is said, in a line for each file, and misleads no reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odradek_broker.log import checkpoints
from odradek_broker.log.config import LogConfig
from odradek_broker.log.failures import CorruptCheckpoint, DamagedLog
from odradek_broker.log.log import Log
from odradek_broker.log.offset_index import ENTRY_BYTES
from odradek_broker.log.scan import Scan
from odradek_broker.log.segment import Segment
from tests.log.log_batches import batch, headers
from tests.log.log_fixtures import LogHouse, append

BASE_OFFSET_BYTE, LENGTH_BYTE = 6, 8


@pytest.fixture
def house(tmp_path: Path) -> LogHouse:
    """A log of three segments and more, of two leader epochs and a producer, left by a clean stop."""
    house = LogHouse(tmp_path, LogConfig(segment_bytes=600, index_interval_bytes=60))
    log = house.open()
    for number in range(24):
        append(log, batch(b"%d" % number, b"second", producer=(7, 0, 2 * number)), epoch=number // 12)
    log.close(clean=True)
    assert len(house.names(".log")) > 3
    return house


def flip(path: Path, position: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def found(log: Log, offset: int) -> int:
    """The base offset of the batch that a reader of an offset is given."""
    records = log.read(offset, 1)
    assert records is not None
    return headers(records.read())[0].base_offset


def test_no_reader_misses_a_record_whatever_bit_of_an_index_turns_over(
    house: LogHouse, caplog: pytest.LogCaptureFixture
) -> None:
    index = house.path / house.names(".index")[1]
    first, end = int(house.names(".log")[1][:20]), int(house.names(".log")[2][:20])
    whole, said = index.read_bytes(), 0
    assert len(whole) > 2 * ENTRY_BYTES
    for bit in range(8 * len(whole)):
        index.write_bytes(whole)
        flip(index, bit // 8, bit % 8)
        caplog.clear()
        log = house.open()
        assert [found(log, offset) for offset in range(first, end)] == [each - each % 2 for each in range(first, end)]
        said += index.stem in caplog.text
        log.close(clean=False)
    assert said > 4 * len(whole), "half of what turns over puts an entry out of order, or behind the end"


def test_a_damaged_segment_is_looked_through_once_however_often_somebody_reads_there(
    house: LogHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer asks again and again, and each look through a gibibyte would hold the loop for seconds."""
    path = house.path / house.names(".log")[1]
    sizes = [len(batch(b"%d" % number, b"second", producer=(7, 0, 0))) for number in (4, 5)]
    flip(path, LENGTH_BYTE + sum(sizes))
    log, looks = house.open(), 0
    scan = Segment.scan

    def counted(*args: Any, **settings: Any) -> Scan:
        nonlocal looks
        looks += 1
        return scan(*args, **settings)

    monkeypatch.setattr(Segment, "scan", counted)
    offset = log.segments.sealed[1].base_offset + 5
    said = []
    for _ in range(3):
        with pytest.raises(DamagedLog) as raised:
            log.read(offset, 1)
        said.append(str(raised.value))
    assert (looks, set(said)) == (1, {said[0]})
    assert str(path) in said[0]
    log.truncate_to(offset - 1)
    assert found(log, offset - 2) == offset - 3


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def garble(path: Path) -> None:
    path.write_bytes(b"\xff" * path.stat().st_size)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".index", cut),
        (".index", garble),
        (".index", remove),
        (".timeindex", cut),
        (".timeindex", garble),
        (".timeindex", remove),
    ],
)
def test_a_damaged_index_is_said_by_who_needs_it(
    house: LogHouse, caplog: pytest.LogCaptureFixture, suffix: str, damage: Callable[[Path], None]
) -> None:
    path = house.path / house.names(suffix)[0]
    damage(path)
    log = house.open()
    assert found(log, 3) == 2 and log.offset_for_timestamp(1_000) is not None
    assert path.stem in caplog.text and "made anew" in caplog.text
    assert len([each for each in caplog.records if path.stem in each.getMessage()]) == 1


@pytest.mark.parametrize("is_damaged", [False, True])
@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
def test_an_index_that_is_not_there_is_made_by_the_start_and_by_no_reader_who_would_hold_the_loop(
    house: LogHouse, monkeypatch: pytest.MonkeyPatch, suffix: str, is_damaged: bool
) -> None:
    path = house.path / house.names(suffix)[1]
    whole = path.read_bytes()
    path.unlink()
    if is_damaged:
        flip(house.path / house.names(".log")[1], LENGTH_BYTE)
    log = house.open()
    assert path.exists() is not is_damaged and (is_damaged or path.read_bytes() == whole)

    def scan(*_: object, **__: object) -> Scan:
        raise AssertionError("the segment is looked through")

    monkeypatch.setattr(Segment, "scan", scan)
    offset = log.segments.sealed[1].base_offset
    if is_damaged:
        with pytest.raises(DamagedLog):
            log.read(offset + 2, 1)
    else:
        assert found(log, offset + 2) == offset + 2


@pytest.mark.parametrize("name", ["leader-epoch-checkpoint", "partition.metadata", "00000000000000000048.snapshot"])
@pytest.mark.parametrize("damage", [cut, garble])
def test_a_damaged_small_file_is_said_at_the_next_start(
    house: LogHouse, caplog: pytest.LogCaptureFixture, name: str, damage: Callable[[Path], None]
) -> None:
    damage(house.path / name)
    log = house.open()
    assert [each.getMessage() for each in caplog.records if f"{house.path / name} is damaged" in each.getMessage()]
    assert log.epochs.entries() == [(0, 0), (1, 24)] and log.producers.producers[7].batches[-1].last_offset == 47
    log.close(clean=True)
    caplog.clear()
    house.open()
    assert not caplog.records, "it has been made anew"


def test_a_file_of_epochs_that_does_not_know_the_last_batch_is_said(
    house: LogHouse, caplog: pytest.LogCaptureFixture
) -> None:
    path = house.path / "leader-epoch-checkpoint"
    path.write_bytes(checkpoints.encode_epochs([(0, 0)]))
    assert house.open().epochs.entries() == [(0, 0), (1, 24)]
    assert str(path) in caplog.text


@pytest.mark.parametrize("what_is_left", [0, 1, 61])
def test_a_last_segment_that_was_cut_after_a_clean_stop_is_damage_though_no_checkpoint_says_so(
    house: LogHouse, what_is_left: int
) -> None:
    path = house.path / house.names(".log")[-1]
    path.write_bytes(path.read_bytes()[:what_is_left])
    log = house.open(recovery_point=0)
    assert log.recovery is not None and log.recovery.is_damage
    assert log.log_end_offset == int(path.stem)


@pytest.mark.parametrize("number", [0, 1])
def test_a_segment_of_which_a_clean_stop_has_left_the_indexes_only_is_damage(house: LogHouse, number: int) -> None:
    path = house.path / house.names(".log")[number]
    path.unlink()
    log = house.open(recovery_point=48)
    assert log.recovery is not None and log.recovery.is_damage
    assert log.recovery.sound_up_to == int(path.stem)
    assert log.recovery.file == str(path) and log.log_end_offset == 48


def test_a_segment_that_lay_before_the_start_of_the_log_is_missed_by_nobody(house: LogHouse) -> None:
    first, second, *_ = house.names(".log")
    (house.path / first).unlink()
    log = house.open(recovery_point=48, log_start_offset=int(second[:20]))
    assert log.recovery is None


@pytest.mark.parametrize("byte", [BASE_OFFSET_BYTE, LENGTH_BYTE])
def test_damage_in_a_sealed_segment_is_met_by_a_start_that_has_to_look_there(house: LogHouse, byte: int) -> None:
    path = house.path / house.names(".log")[1]
    flip(path, headers(path.read_bytes())[0].size_bytes + byte, 6)
    (house.path / "leader-epoch-checkpoint").unlink()
    log = house.open(recovery_point=48)
    assert log.recovery is not None and log.recovery.is_damage
    assert log.recovery.sound_up_to == int(path.stem) + 2
    assert log.recovery.file == str(path) and log.log_end_offset == 48


def test_damage_in_a_sealed_segment_is_told_to_a_reader_with_the_place(house: LogHouse) -> None:
    path = house.path / house.names(".log")[1]
    position = headers(path.read_bytes())[0].size_bytes
    flip(path, position + LENGTH_BYTE, 6)
    (house.path / house.names(".index")[1]).unlink()
    log = house.open(recovery_point=48)
    with pytest.raises(DamagedLog) as damaged:
        log.read(int(path.stem) + 4, 1)
    assert damaged.value.offset == int(path.stem) + 2
    assert str(damaged.value).startswith(f"{path}, position {position}, offset {damaged.value.offset}: ")
    with pytest.raises(DamagedLog):
        log.offset_for_timestamp(1_000_000_000) or log.segments.at(int(path.stem)).rebuild_indexes()


@pytest.mark.parametrize(
    "read",
    [
        lambda: checkpoints.decode_clean_shutdown(b"[" * 100_000),
        lambda: checkpoints.decode_clean_shutdown(b'{"brokerEpoch":9223372036854775808}'),
        lambda: checkpoints.decode_epochs(b"0\n1\n2147483648 0\n"),
        lambda: checkpoints.decode_epochs(b"0\n1\n0 9223372036854775808\n"),
        lambda: checkpoints.decode_epochs(b"0\n1\n0 -1\n"),
        lambda: checkpoints.decode_offsets(b"0\n1\norders 0 9223372036854775808\n"),
        lambda: checkpoints.decode_offsets(b"0\n1\norders 0 -1\n"),
    ],
)
def test_a_number_that_no_answer_can_carry_is_damage_and_not_passed_on(read: Callable[[], object]) -> None:
    with pytest.raises(CorruptCheckpoint):
        read()


def test_a_log_that_is_cut_to_its_start_is_sound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    house = LogHouse(tmp_path, LogConfig())
    log = house.open()
    for number in range(6):
        append(log, batch(b"%d" % number), epoch=number // 3)
    log.advance_log_start(4)
    log.truncate_to(4)
    log.close(clean=True)
    log = house.open(log_start_offset=4, recovery_point=4)
    assert (log.log_start_offset, log.log_end_offset) == (4, 4)
    assert not caplog.records
