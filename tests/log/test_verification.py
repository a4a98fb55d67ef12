"""Whatever bit of a data directory turns over is found, and what is sound is not complained of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from odradek_broker.log.config import LogConfig
from odradek_broker.log.directory import LogDirectory
from odradek_broker.log.offset_checkpoints import LOG_START_OFFSETS, NAMES
from odradek_broker.log.validation import Origin
from odradek_broker.log.verification import Checked, claims_of, verify_directory, verify_partition
from odradek_broker.ports.disk import RealDisk
from tests.log.log_batches import TRANSACTIONAL, batch, marker
from tests.log.log_fixtures import NOW, append

TOPIC_ID = bytes(range(16))
UNJUDGED = {"meta.properties", ".kafka_cleanshutdown", "partition.metadata", ".lock"}
"""Without a checksum, and with values that could be anything."""
JUDGED_OF_TRANSACTIONS = [*range(10), *range(18, 26)]
"""Version, producer, last offset: compaction takes what the others could be compared with."""


@pytest.fixture(scope="module")
def left_clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a broker that has stopped: a log of several segments, epochs, producers, transactions."""
    path = tmp_path_factory.mktemp("data")
    directory = LogDirectory.open(str(path), RealDisk(), cluster_id="c", node_id=1, new_directory_id=bytes(16))
    config = LogConfig(segment_bytes=600, index_interval_bytes=60)
    log = directory.open_log("t", 0, config, topic_id=TOPIC_ID, now_ms=NOW)
    for number in range(20):
        epoch, sequence = number // 7, 2 * number
        append(log, batch(b"%d" % number, b"b", timestamp=NOW + number, producer=(7, 0, sequence)), epoch=epoch)
    append(log, batch(b"aborted", producer=(9, 0, 0), attributes=TRANSACTIONAL), epoch=2, origin=Origin.COORDINATOR)
    append(log, marker(9, 0, commit=False), epoch=2, origin=Origin.COORDINATOR)
    log.roll(NOW)
    append(log, batch(b"last"), epoch=3)
    log.close(clean=True)
    ends = {(TOPIC_ID, 0): log.log_end_offset}
    for name in NAMES:
        directory.checkpoints.write(name, lambda _, name=name: {} if name == LOG_START_OFFSETS else ends)  # type: ignore[misc]
    directory.remember_epoch(5, synced=True)
    directory.remember_metadata(17, 3)
    directory.mark_clean(5)
    directory.release()
    return path


@pytest.fixture
def data(left_clean: Path, tmp_path: Path) -> Path:
    return shutil.copytree(left_clean, tmp_path / "data")


def verified(path: Path) -> Iterator[Checked]:
    disk = RealDisk()
    yield from verify_directory(disk, str(path))
    yield from verify_partition(disk, str(path / "t-0"), claims_of(disk, str(path)))


def faults(path: Path) -> dict[str, list[str]]:
    """By the file's name."""
    return {Path(each.path).name: each.faults for each in verified(path) if each.faults}


def test_what_a_clean_stop_leaves_is_sound_and_all_of_it_is_looked_at(data: Path) -> None:
    assert faults(data) == {}
    names = {path.name for path in data.rglob("*") if path.is_file()} - {".lock"}
    assert {Path(each.path).name for each in verified(data)} == names
    assert any(name.endswith(".txnindex") for name in names)


@pytest.mark.slow
def test_whatever_bit_turns_over_is_found_in_its_file(data: Path) -> None:
    random = Random(1)
    for path in sorted(each for each in data.rglob("*") if each.is_file() and each.name not in UNJUDGED):
        whole = path.read_bytes()
        judged = JUDGED_OF_TRANSACTIONS if path.suffix == ".txnindex" else range(len(whole))
        for byte, bit in {(random.choice(judged), random.randrange(8)) for _ in range(40)} if whole else ():
            rotten = bytearray(whole)
            rotten[byte] ^= 1 << bit
            path.write_bytes(rotten)
            found = faults(data)
            assert path.name in found or (path.suffix == ".log" and found), (path, byte, bit)
        path.write_bytes(whole)
    assert faults(data) == {}


@pytest.mark.parametrize("name", sorted(UNJUDGED - {".lock"}))
def test_what_has_no_checksum_is_found_where_it_says_nothing_any_more(data: Path, name: str) -> None:
    (path,) = data.rglob(name)
    path.write_bytes(b"\xff" * path.stat().st_size)
    assert faults(data).keys() == {name}


def test_each_batch_that_is_damaged_has_a_line_with_its_place(data: Path) -> None:
    path = data / "t-0" / "00000000000000000000.log"
    content = bytearray(path.read_bytes())
    size = len(batch(b"0", b"b"))
    for number in (0, 2):
        content[number * size + size - 1] ^= 1
    path.write_bytes(content)
    assert faults(data) == {
        path.name: [
            "position 0, offset 0: the checksum does not match",
            f"position {2 * size}, offset 4: the checksum does not match",
        ]
    }


def test_a_log_that_lacks_its_beginning_its_end_or_something_in_between_is_found(data: Path) -> None:
    segments = sorted((data / "t-0").glob("*.log"))
    for number, expected in ((0, "begins at"), (1, "and the next begins at"), (len(segments) - 1, "ends at offset")):
        content = segments[number].read_bytes()
        segments[number].unlink()
        assert any(expected in fault for each in faults(data).values() for fault in each), number
        segments[number].write_bytes(content)
    last = segments[-1].read_bytes()
    segments[-1].write_bytes(b"")
    assert any("had been synced" in fault for each in faults(data).values() for fault in each)
    segments[-1].write_bytes(last)
    (data / "t-0" / f"{segments[0].stem}.index").unlink()
    assert faults(data) == {f"{segments[0].stem}.index": ["it is not there"]}


def test_what_compaction_leaves_is_sound(tmp_path: Path) -> None:
    """Also where the youngest batch of a segment has lost all its records, and is there for its offsets alone."""
    config = LogConfig(
        segment_bytes=300, index_interval_bytes=60, cleanup_policy=frozenset({"compact"}), min_cleanable_dirty_ratio=0.0
    )
    directory = LogDirectory.open(str(tmp_path), RealDisk(), cluster_id="c", node_id=1, new_directory_id=bytes(16))
    log = directory.open_log("t", 0, config, topic_id=TOPIC_ID, now_ms=NOW)
    for number in range(20):
        append(log, batch((b"k%d" % (number % 3), b"%d" % number), timestamp=NOW + number))
    log.flush()
    sizes = [segment.size_bytes for segment in log.segments]
    assert log.compact(NOW, log.log_end_offset, force=True)
    assert sizes != [segment.size_bytes for segment in log.segments]
    log.close(clean=True)
    directory.release()
    assert faults(tmp_path) == {}


def test_a_segment_that_goes_while_others_are_looked_at_ends_nothing(data: Path) -> None:
    """As retention lets it, beside a broker that runs."""
    disk = RealDisk()
    looked_at = verify_partition(disk, str(data / "t-0"), claims_of(disk, str(data)))
    next(looked_at)
    second, third = sorted((data / "t-0").glob("*.log"))[1:3]
    second.unlink()
    assert str(third) in {each.path for each in looked_at}
