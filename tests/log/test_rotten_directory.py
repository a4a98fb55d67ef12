"""Whatever becomes of the files of a data directory, a start and what follows it meet nothing unforeseen."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from odradek_broker.log.config import LogConfig
from odradek_broker.log.directory import LogDirectory
from odradek_broker.log.failures import InconsistentDirectory, LogFailed, OffsetOutOfRange, TopicIdMismatch
from odradek_broker.log.log import Log
from odradek_broker.log.offset_checkpoints import CLEANER_OFFSETS, HIGH_WATERMARKS, RECOVERY_POINTS
from odradek_broker.log.validation import Origin
from odradek_broker.ports.disk import RealDisk
from tests.log.log_batches import TRANSACTIONAL, batch, marker
from tests.log.log_fixtures import NOW, append

TOPIC_ID = bytes(range(16))
CONFIG = LogConfig(segment_bytes=500, index_interval_bytes=60, cleanup_policy=frozenset({"compact", "delete"}))
FORESEEN = (OSError, LogFailed)
CASES = 60


def opened(path: Path) -> LogDirectory:
    return LogDirectory.open(str(path), RealDisk(), cluster_id="c", node_id=1, new_directory_id=bytes(16))


@pytest.fixture(scope="module", params=["clean", "killed"])
def left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a broker has left: several segments, epochs, producers, transactions, and something compacted."""
    path = tmp_path_factory.mktemp("data")
    directory = opened(path)
    log = directory.open_log("t", 0, CONFIG, topic_id=TOPIC_ID, now_ms=NOW)
    for number in range(24):
        records = batch(
            (b"k%d" % (number % 5), b"v"), (b"l", None), producer=(7, 0, 2 * number), timestamp=NOW + number
        )
        append(log, records, epoch=number // 9)
        if number == 12:
            log.flush()
            log.compact(NOW, log.log_end_offset, force=True)
    aborted = batch((b"a", b"aborted"), producer=(9, 0, 0), attributes=TRANSACTIONAL)
    append(log, aborted, epoch=2, origin=Origin.COORDINATOR)
    append(log, marker(9, 0, commit=False), epoch=2, origin=Origin.COORDINATOR)
    log.roll(NOW)
    append(log, batch((b"last", b"v")), epoch=3)
    log.flush()
    ends = {(TOPIC_ID, 0): log.log_end_offset}
    for name in (RECOVERY_POINTS, HIGH_WATERMARKS, CLEANER_OFFSETS):
        directory.checkpoints.write(name, lambda _: ends)
    directory.remember_epoch(5, synced=True)
    directory.remember_metadata(17, 3)
    log.close(clean=request.param == "clean")
    if request.param == "clean":
        directory.mark_clean(5)
    directory.release()
    return path


def flip(content: bytearray, random: Random) -> None:
    for _ in range(random.choice((1, 1, 1, 8))):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def cut(content: bytearray, random: Random) -> None:
    del content[random.randrange(len(content)) :]


def swap(content: bytearray, random: Random) -> None:
    """Two pieces change places."""
    middle = random.randrange(len(content))
    content[:] = content[middle:] + content[:middle]


def repeat(content: bytearray, random: Random) -> None:
    content += content[random.randrange(len(content)) :]


def noise(content: bytearray, random: Random) -> None:
    at = random.randrange(len(content))
    end = min(at + random.randrange(1, 64), len(content))
    content[at:end] = random.choice((bytes(end - at), b"\xff" * (end - at), random.randbytes(end - at)))


def use(path: Path, *, again: bool) -> None:
    """Whatever a broker would do with it; each may be refused, and nothing else."""
    try:
        directory = opened(path)
    except InconsistentDirectory as error:
        assert "meta.properties" in str(error) or "cluster.id" in str(error) or "node.id" in str(error)
        return
    try:
        log = directory.open_log("t", 0, CONFIG, topic_id=TOPIC_ID, now_ms=NOW)
    except (*FORESEEN, TopicIdMismatch):
        directory.release()
        return
    try:
        for step in STEPS:
            try:
                step(log)
            except FORESEEN:
                pass
        assert log.log_start_offset <= log.log_end_offset < 2**63
    finally:
        try:
            log.close(clean=again)
        except FORESEEN:
            pass
        directory.release()


def read(log: Log) -> None:
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        try:
            records = log.read(offset, 1)
        except OffsetOutOfRange:
            return
        offset += 3 if records is None else max(len(records.read()) // 100, 1)
        log.aborted_transactions(offset, offset + 10)


STEPS: tuple[Callable[[Log], object], ...] = (
    read,
    lambda log: log.offset_for_timestamp(NOW + 5),
    lambda log: log.max_timestamp_offset(),
    lambda log: log.end_offset_for_epoch(1),
    lambda log: log.append_as_leader(
        memoryview(batch((b"k", b"v"), producer=(7, 0, 40))), leader_epoch=max(log.epochs.latest, 4), now_ms=NOW
    ),
    lambda log: log.retention_offset(NOW + CONFIG.retention_ms + 10, log.log_end_offset),
    lambda log: log.flush(),
    lambda log: log.compact(NOW, log.log_end_offset, force=True),
    lambda log: log.remove_expired_producers(NOW),
    lambda log: log.truncate_to((log.log_start_offset + log.log_end_offset) // 2),
    read,
    lambda log: log.flush(),
)


@pytest.mark.parametrize("seed", range(CASES))
def test_no_start_meets_what_nobody_has_foreseen_and_neither_does_the_next(
    left: Path, tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    path = shutil.copytree(left, tmp_path / "data")
    files = sorted(each for each in path.rglob("*") if each.is_file() and each.stat().st_size)
    for _ in range(random.choice((1, 1, 2, 4))):
        victim = random.choice(files)
        content = bytearray(victim.read_bytes())
        if content:
            random.choice((flip, flip, flip, cut, swap, repeat, noise))(content, random)
            victim.write_bytes(content)
    use(path, again=random.random() < 0.5)
    use(path, again=False)
