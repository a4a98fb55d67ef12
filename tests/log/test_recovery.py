"""Bytes on disk against the state after a start that followed no clean stop."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from odradek_broker.log import producer_snapshot
from odradek_broker.log.config import LogConfig
from odradek_broker.log.failures import TopicIdMismatch
from odradek_broker.log.log import Log
from odradek_broker.log.validation import Origin
from odradek_broker.ports.disk import RealFile
from tests.log.log_batches import HEADER_BYTES, TRANSACTIONAL, Header, batch, headers, marker
from tests.log.log_fixtures import NOW, SMALL, LogHouse, append, read_all, some

ONE_SEGMENT = LogConfig(index_interval_bytes=100)


def state(log: Log) -> dict[str, Any]:
    """All that a start derives from the bytes, in a form that can be compared."""
    return {
        "start": log.log_start_offset,
        "end": log.log_end_offset,
        "bytes": read_all(log),
        "segments": [(segment.base_offset, segment.size_bytes) for segment in log.segments],
        "offsets": [segment.offset_index.entries() for segment in log.segments],
        "times": [segment.time_index.entries() for segment in log.segments],
        "youngest": [(s.largest_timestamp, s.offset_of_largest_timestamp) for s in log.segments],
        "aborted": [segment.transaction_index.entries for segment in log.segments],
        "epochs": log.epochs.entries(),
        "producers": producer_snapshot.encode(
            [log.producers.producers[producer_id].entry() for producer_id in sorted(log.producers.producers)]
        ),
        "open": log.producers.open_transactions(),
    }


def files(house: LogHouse) -> dict[str, bytes]:
    return {name: (house.path / name).read_bytes() for name in house.names()}


def busy(house: LogHouse, count: int = 60, seed: int = 0) -> Log:
    """Plain, idempotent and transactional batches, in three leader epochs, with times that go up and down."""
    log = house.open()
    rng = random.Random(seed)
    sequences: dict[int, int] = {}
    open_ids: set[int] = set()
    for i in range(count):
        kind = rng.random()
        epoch = i * 3 // count
        time = 1_000 + i * 10 + rng.randint(-50, 50)
        if kind < 0.4:
            append(log, batch(*[b"x" * rng.randint(1, 60)] * rng.randint(1, 3), timestamp=time), epoch=epoch)
        elif kind < 0.85 or not open_ids:
            producer_id = rng.randrange(4)
            is_transactional = producer_id > 1
            sequence, values = sequences.get(producer_id, 0), [b"y" * rng.randint(1, 60)] * rng.randint(1, 3)
            sequences[producer_id] = sequence + len(values)
            producer = (producer_id, 0, sequence)
            attributes = TRANSACTIONAL * is_transactional
            append(log, batch(*values, producer=producer, attributes=attributes, timestamp=time), epoch=epoch)
            open_ids |= {producer_id} if is_transactional else set()
        else:
            producer_id = open_ids.pop()
            end = marker(producer_id, 0, commit=rng.random() < 0.5, timestamp=time)
            append(log, end, epoch=epoch, origin=Origin.COORDINATOR)
    return log


@pytest.mark.slow
def test_every_torn_tail_is_cut_before_the_batch_that_is_torn(tmp_path: Path) -> None:
    house = LogHouse(tmp_path, ONE_SEGMENT)
    log = house.open()
    for i in range(6):
        append(log, batch(*[b"v%d" % i] * (i + 1), producer=(9, 0, i * (i + 1) // 2)))
    log.close(clean=False)
    whole = house.content()
    starts = [0]
    for header in headers(whole):
        starts.append(starts[-1] + header.size_bytes)
    [name] = house.names(".log")
    for size in range(len(whole) + 1):
        shutil.rmtree(house.path)
        house.path.mkdir()
        (house.path / name).write_bytes(whole[:size])
        log = house.open(clean=False, is_only_one=True)
        sound = sum(start <= size for start in starts) - 1
        assert log.log_end_offset == sound * (sound + 1) // 2
        assert house.content() == whole[: starts[sound]]
        assert some(log.recovery).cut_bytes == size - starts[sound]
        assert (some(log.recovery).cut_at_offset >= 0) == (size != starts[sound])
        producer = log.producers.producers.get(9)
        assert (producer.last_sequence if producer else -1) == log.log_end_offset - 1
        log.close(clean=False)


@pytest.mark.slow
def test_every_bit_flipped_is_noticed_and_cuts_there(tmp_path: Path) -> None:
    house = LogHouse(tmp_path, ONE_SEGMENT)
    log = house.open()
    for i in range(3):
        append(log, batch(b"value %d" % i))
    log.close(clean=False)
    whole = house.content()
    size = headers(whole)[0].size_bytes
    path = house.path / house.names(".log")[0]
    flipped_in_epoch = 0
    for position in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            path.write_bytes(damaged)
            log = house.open(clean=False)
            if 12 <= position % size < 16 or position % size < 8:
                flipped_in_epoch += 1  # offset and leader epoch lie outside of the checksum
            else:
                assert log.log_end_offset == position // size, (position, bit)
            log.close(clean=False)
    assert flipped_in_epoch == 3 * 12 * 8


def test_zeros_behind_the_last_batch_are_cut(tmp_path: Path) -> None:
    house = LogHouse(tmp_path, ONE_SEGMENT)
    append(house.open(), batch(b"a"))
    whole = house.content()
    (house.path / house.names(".log")[0]).write_bytes(whole + bytes(5_000))
    log = house.open(clean=False)
    assert (log.log_end_offset, some(log.recovery).cut_bytes, house.content()) == (1, 5_000, whole)


def test_the_summary_is_one_line_that_says_what_was_cut(house_killed: tuple[LogHouse, bytes]) -> None:
    house, _ = house_killed
    last = house.path / house.names(".log")[-1]
    last.write_bytes(last.read_bytes()[:-1])
    log = house.open(clean=False)
    line = str(log.recovery)
    assert "\n" not in line and f"at offset {log.log_end_offset}" in line and "cut off" in line
    assert "BELOW" not in line
    log.close(clean=False)
    last.write_bytes(last.read_bytes()[:-1])
    assert "BELOW the recovery point" in str(house.open(clean=False, recovery_point=10**6).recovery)


@pytest.fixture
def house_killed(tmp_path: Path) -> tuple[LogHouse, bytes]:
    """A busy log of many segments whose process was killed, and its bytes."""
    house = LogHouse(tmp_path)
    busy(house)
    return house, house.content()


def test_recovery_finds_what_the_running_log_knew(tmp_path: Path) -> None:
    for seed in range(20):
        house = LogHouse(tmp_path / str(seed))
        before = busy(house, seed=seed)
        expected = state(before)
        after = house.open(clean=False)
        found = state(after)
        *sealed, active = found["times"]
        *sealed_before, active_before = expected.pop("times")
        assert sealed == sealed_before and active[: len(active_before)] == active_before
        assert {key: found[key] for key in expected} == expected
        assert some(after.recovery).cut_at_offset == -1


@pytest.mark.slow
def test_recovery_from_any_point_equals_a_full_scan(tmp_path: Path) -> None:
    for seed in range(3):
        house = LogHouse(tmp_path / str(seed))
        log = busy(house, seed=seed)
        log.flush()
        ends = [header.last_offset + 1 for header in headers(house.content())]
        shutil.copytree(house.path, tmp_path / "copy")
        expected = None
        for point in [0, *ends]:
            shutil.rmtree(house.path)
            shutil.copytree(tmp_path / "copy", house.path)
            log = house.open(clean=False, recovery_point=point)
            found = state(log)
            expected = expected or found
            assert found == expected, f"recovery point {point}"
            log.close(clean=False)
        shutil.rmtree(tmp_path / "copy")


def test_recovering_twice_changes_nothing(tmp_path: Path) -> None:
    rng = random.Random(5)
    for seed in range(25):
        house = LogHouse(tmp_path / str(seed))
        busy(house, seed=seed)
        damage(house, rng)
        first = house.open(clean=False)
        found, left = state(first), files(house)
        first.close(clean=False)
        second = house.open(clean=False)
        assert state(second) == found
        assert some(second.recovery).cut_at_offset == -1, "nothing is left to cut"
        second.close(clean=False)
        assert files(house) == left


def damage(house: LogHouse, rng: random.Random) -> None:
    """What a power cut may leave of files that were not synced."""
    for name in house.names():
        path = house.path / name
        data = bytearray(path.read_bytes())
        kind = rng.random()
        if kind < 0.3 or name == "partition.metadata":
            continue
        if kind < 0.5 and data:
            path.write_bytes(data[: rng.randrange(len(data))])
        elif kind < 0.6 and data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            path.write_bytes(data)
        elif kind < 0.7:
            path.write_bytes(data + bytes(rng.randint(1, 200)))
        elif kind < 0.8:
            path.unlink()


def test_whatever_was_damaged_a_prefix_of_the_batches_is_left(tmp_path: Path) -> None:
    rng = random.Random(6)
    cuts = 0
    for seed in range(60):
        house = LogHouse(tmp_path / str(seed))
        busy(house, 40, seed=seed)
        whole = house.content()
        damage(house, rng)
        first_base = min((int(name[:20]) for name in house.names(".log")), default=0)
        log = house.open(clean=False)
        left = read_all(log)
        if first_base == 0:
            assert is_prefix(left, whole)
        cuts += len(left) < len(whole)
        end = log.log_end_offset
        assert append(log, batch(b"it goes on"), epoch=9).base_offset == end
    assert cuts > 10


def is_prefix(left: bytes, whole: bytes) -> bool:
    """But for offsets and leader epochs, which no checksum covers."""
    ours, theirs = headers(left), headers(whole)
    return [header.crc for header in ours] == [header.crc for header in theirs[: len(ours)]]


def test_a_segment_lost_from_the_middle_ends_the_log_before_it(house_killed: tuple[LogHouse, bytes]) -> None:
    house, whole = house_killed
    names = house.names(".log")
    lost = int(names[2][:20])
    (house.path / names[2]).unlink()
    log = house.open(clean=False)
    assert log.log_end_offset == lost and whole.startswith(read_all(log))
    assert some(log.recovery).cut_segments == len(names) - 3
    assert f"no batches from there to offset {int(names[3][:20])}" in str(log.recovery)
    assert house.names(".log") == names[:2]


def test_the_summary_counts_all_that_was_scanned_and_all_that_was_cut(house_killed: tuple[LogHouse, bytes]) -> None:
    house, whole = house_killed
    names = house.names(".log")
    torn = house.path / names[-3]
    at = headers(torn.read_bytes())[0].size_bytes
    flip(torn, at + HEADER_BYTES)
    before = house.content()
    log = house.open(clean=False)
    left = house.content()
    assert whole.startswith(left) and len(left) == sum(len((house.path / name).read_bytes()) for name in names[:-2])
    found = some(log.recovery)
    assert (found.cut_bytes, found.cut_segments) == (len(before) - len(left), 2)
    assert (found.scanned_bytes, found.scanned_segments) == (len(left), len(names) - 2)


def test_a_log_that_is_cut_to_nothing_says_so(tmp_path: Path) -> None:
    house = LogHouse(tmp_path, ONE_SEGMENT)
    append(house.open(), batch(b"a"))
    flip(house.path / house.names(".log")[0], HEADER_BYTES)
    assert "later segments at offset 0 " in str(house.open(clean=False).recovery)


def test_a_log_that_ends_at_its_recovery_point_ends_not_below_it(tmp_path: Path) -> None:
    house = LogHouse(tmp_path, ONE_SEGMENT)
    append(house.open(), batch(b"a"))
    assert "BELOW" not in str(house.open(clean=False, recovery_point=1).recovery)


def test_a_segment_that_lost_its_end_at_a_batch_boundary_ends_the_log(house_killed: tuple[LogHouse, bytes]) -> None:
    house, whole = house_killed
    path = house.path / house.names(".log")[1]
    data = path.read_bytes()
    last = headers(data)[-1]
    path.write_bytes(data[: -last.size_bytes])
    log = house.open(clean=False)
    assert log.log_end_offset == last.base_offset
    assert whole.startswith(read_all(log))


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_what_lies_in_segments_before_the_recovery_point_is_not_read(
    house_killed: tuple[LogHouse, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is too much; damage in them is for readers to find."""
    house, whole = house_killed
    names = house.names(".log")
    house.open(clean=False).close(clean=True)
    flip(house.path / names[2], 100)
    read = []
    real = RealFile.read
    monkeypatch.setattr(RealFile, "read", lambda s, at, n: read.append(n) or real(s, at, n))
    point = next(header.last_offset + 1 for header in headers(whole) if header.base_offset == int(names[-2][:20]))
    log = house.open(clean=False, recovery_point=point)
    assert some(log.recovery).scanned_segments == 2 and not some(log.recovery).is_damage
    assert sum(read) < log.segments.size_bytes, "some ends, and two segments"
    monkeypatch.undo()
    assert len(read_all(log)) == len(whole)


def test_a_bit_that_flips_before_the_recovery_point_in_its_segment_is_damage(
    house_killed: tuple[LogHouse, bytes],
) -> None:
    house, whole = house_killed
    names = house.names(".log")
    active = [header for header in headers(whole) if header.base_offset >= int(names[-1][:20])]
    point = active[-1].base_offset
    flip(house.path / names[-1], active[0].size_bytes + HEADER_BYTES)
    log = house.open(clean=False, recovery_point=point)
    assert log.log_end_offset == active[1].base_offset < point
    assert some(log.recovery).is_damage and some(log.recovery).sound_up_to == log.log_end_offset
    assert names[-1] in str(log.recovery) and f"BELOW the recovery point {point}" in str(log.recovery)


def test_a_torn_end_behind_the_recovery_point_is_no_damage(house_killed: tuple[LogHouse, bytes]) -> None:
    house, whole = house_killed
    last = house.path / house.names(".log")[-1]
    last.write_bytes(last.read_bytes()[:-1])
    log = house.open(clean=False, recovery_point=headers(whole)[-1].base_offset)
    assert some(log.recovery).cut_bytes > 0 and not some(log.recovery).is_damage


@pytest.mark.parametrize("how", ["torn", "a batch is gone", "garbage behind"])
def test_whatever_is_wrong_with_the_end_after_a_clean_stop_is_damage(tmp_path: Path, how: str) -> None:
    house = LogHouse(tmp_path)
    log = busy(house)
    log.close(clean=True)
    end, last = log.log_end_offset, headers(house.content())[-1]
    path = house.path / house.names(".log")[-1]
    data = path.read_bytes()
    path.write_bytes(
        {"torn": data[:-1], "a batch is gone": data[: -last.size_bytes], "garbage behind": data + b"x"}[how]
    )
    again = house.open(clean=True, recovery_point=end)
    assert again.log_end_offset == (end if how == "garbage behind" else last.base_offset)
    assert again.recovery is not None and again.recovery.is_damage


def test_an_index_that_tells_of_a_batch_that_is_gone_says_nothing_of_where_the_log_ends(tmp_path: Path) -> None:
    house = LogHouse(tmp_path, LogConfig(index_interval_bytes=1))
    log = house.open()
    for i in range(4):
        append(log, batch(b"%d" % i))
    log.close(clean=True)
    path = house.path / house.names(".log")[0]
    path.write_bytes(path.read_bytes()[: -headers(house.content())[-1].size_bytes])
    log = house.open(clean=True)
    assert log.log_end_offset == 3 and len(headers(read_all(log))) == 3


def test_a_log_in_which_nothing_was_written_since_its_last_roll_was_stopped_as_cleanly_as_any(tmp_path: Path) -> None:
    house = LogHouse(tmp_path)
    log = house.open()
    log.close(clean=True)
    assert house.open(clean=True).recovery is None
    log = house.open(clean=True)
    append(log, batch(b"a"))
    log.roll(NOW)
    log.close(clean=True)
    log = house.open(clean=True, recovery_point=1)
    assert log.recovery is None and log.log_end_offset == 1


def test_a_log_of_which_nothing_is_left_is_damaged(house_killed: tuple[LogHouse, bytes]) -> None:
    house, _ = house_killed
    shutil.rmtree(house.path)
    for clean in (True, False):
        log = house.open(clean=clean, recovery_point=50)
        assert log.recovery is not None and log.recovery.is_damage
        assert (log.log_end_offset, log.flushed_offset, log.recovery_point) == (0, 0, 0)


@pytest.mark.parametrize("what", ["lost", "shorter"])
@pytest.mark.parametrize("which", [2, -2])
def test_a_gap_before_the_recovery_point_is_damage_and_costs_no_more_than_is_lost(
    house_killed: tuple[LogHouse, bytes], what: str, which: int
) -> None:
    house, whole = house_killed
    names = house.names(".log")
    path = house.path / names[which]
    house.open(clean=False).close(clean=True)
    lost = headers(path.read_bytes())
    if what == "lost":
        path.unlink()
        gap, count = lost[0].base_offset, len(lost)
    else:
        path.write_bytes(path.read_bytes()[: -lost[-1].size_bytes])
        gap, count = lost[-1].base_offset, 1
    end = headers(whole)[-1].last_offset + 1
    log = house.open(clean=False, recovery_point=end)
    assert some(log.recovery).is_damage and some(log.recovery).sound_up_to == gap
    assert f"batches are MISSING from offset {gap} on" in str(log.recovery)
    assert log.log_end_offset == end and len(headers(house.content())) == len(headers(whole)) - count


def test_a_log_of_which_the_first_segment_is_empty_misses_all_from_there_on(
    house_killed: tuple[LogHouse, bytes],
) -> None:
    house, whole = house_killed
    (house.path / house.names(".log")[0]).write_bytes(b"")
    log = house.open(clean=False, recovery_point=headers(whole)[-1].last_offset + 1)
    assert some(log.recovery).is_damage and some(log.recovery).sound_up_to == 0
    assert "batches are MISSING from offset 0 on" in str(log.recovery)


def test_a_gap_behind_the_recovery_point_is_none_for_the_log_ends_there(house_killed: tuple[LogHouse, bytes]) -> None:
    house, _ = house_killed
    path = house.path / house.names(".log")[2]
    data = path.read_bytes()
    first, *_, last = headers(data)
    path.write_bytes(data[: -last.size_bytes])
    log = house.open(clean=False, recovery_point=first.last_offset + 1)
    assert log.log_end_offset == last.base_offset > first.last_offset + 1
    assert not some(log.recovery).is_damage and some(log.recovery).gap_at_offset == -1


def test_where_an_index_is_lost_the_end_of_a_segment_is_found_in_its_batches(
    house_killed: tuple[LogHouse, bytes],
) -> None:
    house, whole = house_killed
    house.open(clean=False).close(clean=True)
    (house.path / house.names(".index")[1]).unlink()
    log = house.open(clean=False, recovery_point=headers(whole)[-1].last_offset + 1)
    assert not some(log.recovery).is_damage and len(read_all(log)) == len(whole)


def test_gaps_that_compaction_may_have_left_are_none(house_killed: tuple[LogHouse, bytes]) -> None:
    """Kafka's does; so nobody can tell."""
    house, _ = house_killed
    (house.path / house.names(".log")[2]).unlink()
    house.config = msgspec.structs.replace(house.config, cleanup_policy=frozenset({"compact"}))
    log = house.open(clean=False, recovery_point=int(house.names(".log")[-1][:20]))
    assert not some(log.recovery).is_damage and some(log.recovery).sound_up_to == log.log_end_offset


def test_a_batch_of_an_older_leader_epoch_had_been_cut_off_and_ends_the_log(tmp_path: Path) -> None:
    """Both are of the same length, so that the one that was cut off fits in behind the one that took its offset."""
    house = LogHouse(tmp_path, ONE_SEGMENT)
    log = house.open()
    for i in range(3):
        append(log, batch(b"old %d" % i), epoch=1)
    log.flush()
    before = house.content()
    log.truncate_to(1)
    append(log, batch(b"new 1"), epoch=2)
    log.close(clean=False)
    path, after = house.path / house.names(".log")[0], house.content()
    path.write_bytes(after + before[len(after) :])
    log = house.open(clean=False, recovery_point=1)
    assert log.log_end_offset == 2 and house.content() == after
    assert log.epochs.entries() == [(1, 0), (2, 1)]
    assert "leader epoch 1 after one of 2" in str(log.recovery) and not some(log.recovery).is_damage


def test_a_batch_of_an_older_leader_epoch_ends_the_log_also_where_it_begins_a_segment(tmp_path: Path) -> None:
    house = LogHouse(tmp_path, ONE_SEGMENT)
    append(house.open(), batch(b"new"), epoch=2)
    stale = batch(b"old", base_offset=1, leader_epoch=1)
    (house.path / f"{1:020}.log").write_bytes(stale)
    log = house.open(clean=False)
    assert log.log_end_offset == 1 and log.epochs.entries() == [(2, 0)]
    assert "leader epoch 1 after one of 2" in str(log.recovery)


def test_the_batch_at_the_recovery_point_is_the_first_that_is_written_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = LogHouse(tmp_path, ONE_SEGMENT)
    log = house.open()
    for i in range(4):
        append(log, batch(b"%d" % i))
    written, real = [], RealFile.write_at
    monkeypatch.setattr(RealFile, "write_at", lambda s, at, data: written.append(bytes(data)) or real(s, at, data))
    house.open(clean=False, recovery_point=2)
    assert [header.base_offset for header in headers(b"".join(written))] == [2, 3]


def test_what_lies_behind_the_recovery_point_is_written_once_more(
    house_killed: tuple[LogHouse, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be in memory only, and count as clean there: syncing it had failed. A sync alone would do nothing."""
    house, whole = house_killed
    names = house.names(".log")
    point = next(header.last_offset + 1 for header in headers(whole) if header.base_offset == int(names[-2][:20]))
    written, real = [], RealFile.write_at
    monkeypatch.setattr(RealFile, "write_at", lambda s, at, data: written.append(bytes(data)) or real(s, at, data))
    log = house.open(clean=False, recovery_point=point)
    assert b"".join(written) == b"".join(
        whole[at : at + header.size_bytes] for at, header in positions(whole) if header.last_offset >= point
    )
    plan = log.begin_flush()
    plan.sync()
    paths = [*plan.paths, *(path for files in plan.sealed for path in files.paths)]
    derived = {path.rsplit("/")[-1] for path in paths}
    assert derived >= {"leader-epoch-checkpoint", f"{names[-1][:20]}.snapshot", f"{names[-2][:20]}.index"}
    log.end_flush(plan)
    assert house.content() == whole


def positions(data: bytes) -> Iterator[tuple[int, Header]]:
    at = 0
    for header in headers(data):
        yield at, header
        at += header.size_bytes


def test_after_recovery_nothing_counts_as_flushed_that_may_not_be(house_killed: tuple[LogHouse, bytes]) -> None:
    house, _ = house_killed
    log = house.open(clean=False, recovery_point=20)
    assert log.flushed_offset == 20
    synced = []
    plan = log.begin_flush()
    for file in plan.files:
        synced.append(file.size)
    plan.sync()
    log.end_flush(plan)
    assert log.flushed_offset == log.log_end_offset and len(synced) >= len(log.segments.from_offset(20))


@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
@pytest.mark.parametrize("damage", ["lost", "empty", "odd", "random", "too far"])
@pytest.mark.parametrize("clean", [True, False])
def test_indexes_that_are_lost_or_corrupt_are_rebuilt(tmp_path: Path, suffix: str, damage: str, clean: bool) -> None:
    house = LogHouse(tmp_path)
    log = busy(house)
    log.close(clean=True)
    expected = state(house.open(clean=False))
    for name in house.names(suffix):
        path = house.path / name
        data = path.read_bytes()
        if damage == "lost":
            path.unlink()
        elif damage == "empty" and suffix == ".index":
            path.write_bytes(b"")
        elif damage == "odd":
            path.write_bytes(data + b"\1\2\3")
        elif damage == "random":
            path.write_bytes(random.Random(1).randbytes(len(data) or 24))
        elif damage == "too far":
            path.write_bytes(data + b"\x7f\xff\xff\xff" * 6)
    log = house.open(clean=clean, recovery_point=0)
    for offset in range(log.log_end_offset):
        found = headers(some(log.read(offset, 1)).read())[0]
        assert found.base_offset <= offset <= found.last_offset
    if not clean:
        assert state(log) == expected


def test_a_corrupt_snapshot_is_passed_over_for_an_older_one(house_killed: tuple[LogHouse, bytes]) -> None:
    house, _ = house_killed
    log = house.open(clean=False)
    expected = state(log)["producers"]
    log.close(clean=True)
    snapshots = house.names(".snapshot")
    for count in range(1, len(snapshots) + 1):
        for name in snapshots[-count:]:
            path = house.path / name
            if path.exists():
                path.write_bytes(path.read_bytes()[:-1] + b"\x55")
        log = house.open(clean=True)
        assert state(log)["producers"] == expected
        log.close(clean=False)


@pytest.mark.parametrize("how", ["truncated", "cut by recovery"])
def test_snapshots_of_batches_that_are_gone_go_with_them(house_killed: tuple[LogHouse, bytes], how: str) -> None:
    """Others take their offsets; a snapshot left behind would then tell of the wrong ones."""
    house, _ = house_killed
    log = house.open(clean=False)
    end = log.log_end_offset
    if how == "truncated":
        log.truncate_to(20)
    else:
        log.close(clean=False)
        path = house.path / house.names(".log")[1]
        path.write_bytes(path.read_bytes()[:-1])
        log = house.open(clean=False)
    parting = log.log_end_offset
    while log.log_end_offset < end + 10:
        append(log, batch(b"another", producer=(77, 0, log.log_end_offset)), epoch=3)
    for target in range(end + 10, parting, -1):
        log.truncate_to(target)
        last_offsets = {p.producer_id: p.last_offset for p in log.producers.producers.values()}
        assert last_offsets.pop(77) == target - 1
        assert last_offsets and max(last_offsets.values()) < parting


@pytest.mark.parametrize("content", [None, b"", b"0\n5\n0 0\n", b"rubbish"])
def test_lost_leader_epochs_are_found_in_the_batches(
    house_killed: tuple[LogHouse, bytes], content: bytes | None
) -> None:
    house, _ = house_killed
    log = house.open(clean=False)
    expected = log.epochs.entries()
    assert len(expected) == 3
    log.close(clean=True)
    path = house.path / "leader-epoch-checkpoint"
    path.unlink() if content is None else path.write_bytes(content)
    for clean in (True, False):
        log = house.open(clean=clean, recovery_point=log.log_end_offset)
        assert log.epochs.entries() == expected


def test_leader_epochs_before_a_start_that_was_never_written_down_are_found_again(
    house_killed: tuple[LogHouse, bytes],
) -> None:
    """The log begins where it did; by a gap in the epochs followers would be told that too much of theirs is ours."""
    house, _ = house_killed
    log = house.open(clean=False)
    expected, end = log.epochs.entries(), log.log_end_offset
    log.advance_log_start(expected[-1][1] + 1)
    log.close(clean=True)
    for recovery_point in (0, end):
        log = house.open(clean=False, recovery_point=recovery_point)
        assert log.log_start_offset == 0 and log.epochs.entries() == expected
        log.close(clean=False)


def test_leader_epochs_that_contradict_the_last_batch_are_made_anew(house_killed: tuple[LogHouse, bytes]) -> None:
    """Else the next leader epoch would push out more than the wrong one, and followers be told to cut there."""
    house, _ = house_killed
    log = house.open(clean=False)
    *before, (epoch, start) = expected = log.epochs.entries()
    end = log.log_end_offset
    log.close(clean=True)
    for wrong in (epoch ^ 4, epoch ^ 8):
        lines = [f"{each} {offset}" for each, offset in [*before, (wrong, start)]]
        (house.path / "leader-epoch-checkpoint").write_text("\n".join(["0", str(len(lines)), *lines, ""]))
        log = house.open(clean=True, recovery_point=end)
        assert log.epochs.entries() == expected
        log.assign_leader_epoch(epoch + 1)
        assert log.end_offset_for_epoch(epoch) == (epoch, end)


def test_a_corrupt_transaction_index_is_rebuilt_when_it_is_asked_for(house_killed: tuple[LogHouse, bytes]) -> None:
    house, _ = house_killed
    log = house.open(clean=False)
    expected = log.aborted_transactions(0, log.log_end_offset)
    assert len(expected) > 1
    log.close(clean=True)
    for name in house.names(".txnindex"):
        (house.path / name).write_bytes(b"not entries")
    log = house.open(clean=True)
    assert log.aborted_transactions(0, log.log_end_offset) == expected


def test_a_flush_of_indexes_that_were_made_anew_leaves_a_transaction_index_that_nobody_has_read(
    house_killed: tuple[LogHouse, bytes],
) -> None:
    house, _ = house_killed
    log = house.open(clean=False)
    expected = log.aborted_transactions(0, log.log_end_offset)
    log.close(clean=True)
    for name in [*house.names(".txnindex"), *house.names(".index")]:
        (house.path / name).write_bytes(b"not entries")
    log = house.open(clean=True)
    read_all(log)
    log.flush()
    assert log.aborted_transactions(0, log.log_end_offset) == expected


@pytest.mark.parametrize("then", ["append", "truncate"])
def test_a_corrupt_transaction_index_keeps_nobody_from_writing(tmp_path: Path, then: str) -> None:
    house = LogHouse(tmp_path)
    log = house.open()
    append(log, batch(b"aborted", producer=(7, 0, 0), attributes=TRANSACTIONAL), origin=Origin.COORDINATOR)
    append(log, marker(7, 0, commit=False), origin=Origin.COORDINATOR)
    append(log, batch(b"last"))
    expected = log.aborted_transactions(0, log.log_end_offset)
    assert len(expected) == 1
    log.close(clean=True)
    (name,) = house.names(".txnindex")
    (house.path / name).write_bytes(b"not entries")
    log = house.open(clean=True)
    if then == "append":
        append(log, batch(b"more"))
    else:
        log.truncate_to(log.log_end_offset - 1)
    assert log.aborted_transactions(0, log.log_end_offset) == expected


def test_a_transaction_index_is_rebuilt_however_far_the_log_has_come(tmp_path: Path) -> None:
    house = LogHouse(tmp_path)
    log = house.open(log_start_offset=1_000)
    append(log, batch(b"a", producer=(5, 0, 0), attributes=TRANSACTIONAL))
    append(log, marker(5, 0, commit=False), origin=Origin.COORDINATOR)
    expected = log.aborted_transactions(1_000, 1_002)
    assert len(expected) == 1
    log.close(clean=True)
    [name] = house.names(".txnindex")
    (house.path / name).write_bytes(b"not entries")
    assert house.open(log_start_offset=1_000).aborted_transactions(1_000, 1_002) == expected


def test_a_tail_that_is_not_clean_is_recovered_although_the_stop_was(tmp_path: Path) -> None:
    house = LogHouse(tmp_path)
    log = busy(house)
    log.close(clean=True)
    path = house.path / house.names(".log")[-1]
    path.write_bytes(path.read_bytes() + b"rubbish")
    log = house.open(clean=True)
    assert some(log.recovery).cut_bytes == 7 and some(log.recovery).scanned_segments == 1


def test_a_log_that_ends_before_its_start_begins_again_there(house_killed: tuple[LogHouse, bytes]) -> None:
    house, _ = house_killed
    log = house.open(clean=False, log_start_offset=5_000)
    assert (log.log_start_offset, log.log_end_offset, log.epochs.entries()) == (5_000, 5_000, [])
    assert not log.producers.producers
    assert append(log, batch(b"a")).base_offset == 5_000


def test_leftovers_are_swept_away(house_killed: tuple[LogHouse, bytes]) -> None:
    house, _ = house_killed
    log = house.open(clean=False)
    end = log.log_end_offset
    log.close(clean=True)
    kept = house.names()
    for name in (
        "00000000000000000000.log.deleted",
        "00000000000000000007.timeindex.deleted",
        "00000000000000000000.log.cleaned",
        "00000000000000000000.index.cleaned",
        "00000000000000000000.timeindex.swap",
        "leader-epoch-checkpoint.tmp",
        "00000000000000009999.index",
        "00000000000000009999.txnindex",
    ):
        (house.path / name).write_bytes(b"x" * HEADER_BYTES)
    log = house.open(clean=True)
    assert log.log_end_offset == end and house.names() == kept


@pytest.mark.parametrize("left", [b"", None])
def test_a_lost_topic_id_is_written_again_where_it_is_known_whose_the_records_are(
    house_killed: tuple[LogHouse, bytes], left: bytes | None
) -> None:
    house, _ = house_killed
    path = house.path / "partition.metadata"
    expected = path.read_bytes()
    for known in ({"recovery_point": 1}, {"is_only_one": True}, {"clean": True}):
        path.unlink() if left is None else path.write_bytes(left)
        house.open(**{"clean": False, **dict[str, Any](known)}).close(clean=True)
        assert path.read_bytes() == expected


def test_another_topics_id_is_damage_where_no_other_topic_can_be(
    house_killed: tuple[LogHouse, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    house, _ = house_killed
    path = house.path / "partition.metadata"
    expected = path.read_bytes()
    path.write_bytes(expected.replace(b"topic_id: A", b"topic_id: B"))
    assert path.read_bytes() != expected
    with pytest.raises(TopicIdMismatch):
        house.open(clean=False)
    house.open(clean=False, is_only_one=True).close(clean=False)
    assert path.read_bytes() == expected
    (line,) = [each for each in caplog.messages if "is damaged" in each]
    assert str(path) in line


@pytest.mark.parametrize("left", [b"", None])
def test_records_that_do_not_say_whose_they_are_are_nobodys(
    house_killed: tuple[LogHouse, bytes], left: bytes | None
) -> None:
    house, _ = house_killed
    path = house.path / "partition.metadata"
    path.unlink() if left is None else path.write_bytes(left)
    with pytest.raises(TopicIdMismatch):
        house.open(clean=False)


def test_an_empty_log_that_does_not_say_whose_it_is_is_anybodys(tmp_path: Path) -> None:
    house = LogHouse(tmp_path, SMALL)
    house.open().close(clean=False)
    (house.path / "partition.metadata").write_bytes(b"")
    assert house.open(clean=False).log_end_offset == 0


def test_an_empty_directory_is_a_new_log(tmp_path: Path) -> None:
    house = LogHouse(tmp_path, SMALL)
    house.path.mkdir()
    log = house.open(clean=False, log_start_offset=3)
    assert (log.log_start_offset, log.log_end_offset) == (3, 3)


def test_recovery_takes_time_into_account_only_for_forgetting(house_killed: tuple[LogHouse, bytes]) -> None:
    house, _ = house_killed
    log = house.open(clean=False, now_ms=NOW)
    count = len(log.producers.producers)
    assert count >= 3
    assert log.remove_expired_producers(NOW + log.config.producer_id_expiration_ms - 1) == 0
    assert log.remove_expired_producers(NOW + log.config.producer_id_expiration_ms) > 0
    assert all(producer.transaction_first_offset >= 0 for producer in log.producers.producers.values())


def test_what_a_failed_append_has_left_behind_a_segment_goes_when_it_is_sealed(tmp_path: Path) -> None:
    """Else a start would take it for a torn write, and all that follows for what came behind that."""
    house = LogHouse(tmp_path, ONE_SEGMENT)
    log = house.open()
    append(log, batch(b"1"))
    with (house.path / house.names(".log")[0]).open("ab") as file:
        file.write(bytes(32))
    log.roll(0)
    append(log, batch(b"2"))
    log.flush()
    log.close(clean=False)
    again = house.open(clean=False)
    assert again.log_end_offset == 2
    assert (house.path / house.names(".log")[0]).stat().st_size == again.segments.first.size_bytes


def test_noise_behind_a_sealed_segment_whose_batches_are_all_there_costs_nothing(tmp_path: Path) -> None:
    house = LogHouse(tmp_path, ONE_SEGMENT)
    log = house.open()
    for value in (b"1", b"2", b"3"):
        append(log, batch(value))
        log.roll(0)
    log.flush()
    log.close(clean=False)
    before = house.content()
    for name in house.names(".log")[:2]:
        with (house.path / name).open("ab") as file:
            file.write(bytes(40))
    again = house.open(clean=False)
    assert again.log_end_offset == 3
    assert house.content() == before
    assert again.recovery is not None and not again.recovery.is_damage and again.recovery.cut_at_offset < 0
