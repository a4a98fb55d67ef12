"""A disk that is full, or fails: the log stays as it was, or says that it has failed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from odradek_broker.log import producer_snapshot
from odradek_broker.log.checkpoints import decode_epochs
from odradek_broker.log.failures import LogFailed
from odradek_broker.log.sealed_files import SealedFiles
from odradek_broker.log.validation import Origin
from tests.log.faulty_disk import FaultyDisk
from tests.log.log_batches import TRANSACTIONAL, batch, headers, marker
from tests.log.log_fixtures import NOW, LogHouse, append, read_all, some


@pytest.fixture
def disk() -> FaultyDisk:
    return FaultyDisk()


@pytest.fixture
def house(tmp_path: Path, disk: FaultyDisk) -> LogHouse:
    return LogHouse(tmp_path, disk=disk)


def test_a_full_disk_leaves_the_log_unchanged_and_readable_whatever_fits(house: LogHouse, disk: FaultyDisk) -> None:
    log = house.open()
    for i in range(10):
        append(log, batch(b"v%d" % i, producer=(1, 0, i)))
    before, end = read_all(log), log.log_end_offset
    for fits in range(len(batch(b"next"))):
        disk.free = fits
        with pytest.raises(OSError, match="no space"):
            append(log, batch(b"next", producer=(1, 0, 10)), epoch=5)
        assert (read_all(log), log.log_end_offset, log.epochs.latest, log.failed) == (before, end, 0, None)
    disk.free = 10**9
    assert append(log, batch(b"next", producer=(1, 0, 10))).base_offset == end
    log.close(clean=False)
    assert house.open(clean=False).log_end_offset == end + 1


def test_a_disk_that_fills_up_during_a_roll_costs_nothing_but_the_append(tmp_path: Path) -> None:
    """At every byte: the snapshot, the indexes and the batch itself may be what does not fit."""
    for fits in range(0, 900, 19):
        disk = FaultyDisk()
        house = LogHouse(tmp_path / str(fits), disk=disk)
        log = house.open()
        while log.segments.active.size_bytes < 900:
            append(log, batch(b"x" * 20, producer=(1, 0, log.log_end_offset)))
        before, end = read_all(log), log.log_end_offset
        disk.free = fits
        large = batch(b"y" * 400, producer=(1, 0, end))
        try:
            append(log, large)
            end += 1
        except OSError as error:
            assert error.errno == errno.ENOSPC
            assert read_all(log) == before
        disk.free = 10**9
        append(log, batch(b"z", producer=(1, 0, end)))
        log.flush()
        expected = read_all(log)
        log.close(clean=False)
        again = house.open(clean=False)
        assert read_all(again) == expected and some(again.recovery).cut_at_offset == -1
        again.close(clean=True)


@pytest.mark.parametrize("call", ["append", "open"])
def test_an_error_while_writing_changes_nothing(house: LogHouse, disk: FaultyDisk, call: str) -> None:
    log = house.open()
    while log.segments.active.size_bytes < 950:
        append(log, batch(b"x" * 20))
    before = read_all(log)
    disk.fails = {call}
    with pytest.raises(OSError, match=f"{call} failed"):
        append(log, batch(b"y" * 200))
    assert log.failed is None
    disk.fails = set()
    assert read_all(log) == before
    append(log, batch(b"y" * 200))
    assert read_all(log).startswith(before)


def test_indexes_that_could_not_be_written_are_written_with_the_next_flush(
    house: LogHouse, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = house.open()
    while len(log.segments) == 1:
        append(log, batch(b"x" * 20))
    monkeypatch.setattr(SealedFiles, "write", refuse_to_write)
    log.flush()
    assert not house.names(".index") and log.owes_files
    monkeypatch.undo()
    log.flush()
    assert not log.owes_files
    assert house.names(".index") == ["00000000000000000000.index"]
    assert [segment.unsaved for segment in log.segments] == [False, True]


@pytest.mark.parametrize("what", ["indexes", "leader epochs"])
def test_a_start_looks_where_what_is_derived_could_not_be_written(
    house: LogHouse, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The batches are safe, and acknowledged; but a transaction index that is not there would call all committed."""
    log = house.open()
    append(log, batch(b"a", producer=(7, 0, 0), attributes=TRANSACTIONAL))
    log.flush()
    append(log, marker(7, 0, commit=False), origin=Origin.COORDINATOR)
    expected = log.aborted_transactions(0, 2)
    if what == "indexes":
        monkeypatch.setattr(SealedFiles, "write", refuse_to_write)
        log.roll(NOW)
    else:
        log.assign_leader_epoch(3)
        disk.fails = {"replace_file"}
    append(log, batch(b"b"), epoch=3)
    log.flush()
    assert (log.flushed_offset, log.recovery_point) == (3, 1)
    log.close(clean=False)
    monkeypatch.undo()
    disk.fails = set()
    again = house.open(clean=False, recovery_point=log.recovery_point)
    assert again.aborted_transactions(0, 2) == expected != []
    assert again.epochs.entries() == [(0, 0), (3, 2)]
    again.flush()
    assert again.recovery_point == 3


def test_a_truncation_that_fails_half_way_claims_nothing_of_what_may_be_gone(house: LogHouse, disk: FaultyDisk) -> None:
    log = house.open()
    for _ in range(30):
        append(log, batch(b"x" * 30))
    log.flush()
    disk.truncate_fails = True
    with pytest.raises(OSError, match="truncate failed"):
        log.truncate_to(5)
    assert (log.flushed_offset, log.recovery_point) == (5, 5)


def refuse_to_write(files: SealedFiles) -> bool:
    raise OSError(errno.ENOSPC, "no space left on device")


def test_indexes_older_than_what_could_not_be_written_do_not_stay_behind(house: LogHouse, disk: FaultyDisk) -> None:
    """They would call the segment older than it is, and retention would take it."""
    log = house.open()
    append(log, batch(b"a", timestamp=1_000))
    log.close(clean=True)
    log = house.open()
    append(log, batch(b"b", timestamp=900_000))
    disk.fails = {"replace_file"}
    with pytest.raises(OSError, match="replace_file failed"):
        log.segments.active.save()
    assert not house.names("index")
    disk.fails = set()
    log.close(clean=False)
    assert house.open(clean=True).segments.first.largest_timestamp == 900_000


def test_a_failed_sync_fails_the_log_for_good(house: LogHouse, disk: FaultyDisk) -> None:
    log = house.open()
    append(log, batch(b"a"))
    log.flush()
    append(log, batch(b"b"))
    disk.sync_fails = True
    plan = log.begin_flush()
    with pytest.raises(OSError, match="sync failed"):
        plan.sync()
    disk.sync_fails = False
    assert "sync failed" in some(log.failed) and log.flushed_offset == 1
    for call in (
        lambda: append(log, batch(b"c")),
        lambda: log.append_as_follower(memoryview(batch(b"c", base_offset=2)), now_ms=NOW),
        lambda: log.begin_flush(),
        lambda: log.end_flush(plan),
        lambda: log.roll(NOW),
        lambda: log.begin_compaction(NOW, 2),
    ):
        with pytest.raises(LogFailed):
            call()
    assert len(headers(read_all(log))) == 2, "it can still be read"
    log.close(clean=True)
    assert house.names(".snapshot") == [], "nothing says that it was closed cleanly"
    assert house.open(clean=False).failed is None


def test_a_truncation_that_fails_half_way_fails_the_log(house: LogHouse, disk: FaultyDisk) -> None:
    log = house.open()
    for _ in range(30):
        append(log, batch(b"x" * 30))
    disk.truncate_fails = True
    with pytest.raises(OSError, match="truncate failed"):
        log.truncate_to(5)
    assert log.failed
    disk.truncate_fails = False
    recovered = house.open(clean=False)
    assert recovered.log_end_offset == len(headers(read_all(recovered)))


def test_a_flush_covers_what_was_appended_before_it_began_and_no_more(house: LogHouse) -> None:
    log = house.open()
    append(log, batch(b"a"))
    plan = log.begin_flush()
    append(log, batch(b"b"))
    plan.sync()
    log.end_flush(plan)
    assert (plan.offset, log.flushed_offset) == (1, 1)
    log.flush()
    assert log.flushed_offset == 2


def test_a_roll_does_not_lose_the_sync_of_the_sealed_segment(house: LogHouse) -> None:
    log = house.open()
    append(log, batch(b"a"))
    sealed = log.segments.active.file
    log.roll(NOW)
    plan = log.begin_flush()
    assert sealed in plan.files and str(house.path) in plan.directories
    assert {os.path.basename(path) for path in plan.paths} == {"leader-epoch-checkpoint", "partition.metadata"}
    plan.sync()
    log.end_flush(plan)
    plan = log.begin_flush()
    assert not plan.files and not plan.paths and not plan.directories and not plan.sealed


def test_what_is_derived_of_a_sealed_segment_is_written_and_synced_by_whoever_syncs(
    house: LogHouse, disk: FaultyDisk
) -> None:
    """Replacing a file takes as long as the disk likes, and the log's own thread serves everybody."""
    log = house.open()
    append(log, batch(b"a", producer=(7, 0, 0)))
    log.roll(NOW)
    plan = log.begin_flush()
    assert not house.names("index") and not house.names(".snapshot"), "nothing is written by who rolls"
    plan.sync()
    made = {*house.names("index"), *house.names(".snapshot")}
    assert made == {f"{0:020}.index", f"{0:020}.timeindex", f"{1:020}.snapshot"}
    assert made <= {os.path.basename(path) for path in disk.synced}
    log.end_flush(plan)
    assert not log.owes_files and log.recovery_point == 1


def test_a_snapshot_has_the_producers_as_they_were_when_the_segment_was_sealed(house: LogHouse) -> None:
    log = house.open()
    for producer_id in (7, 8):
        append(log, batch(b"a", producer=(producer_id, 0, 0)))
    log.roll(NOW)
    expected = sorted(producer.entry() for producer in log.producers.producers.values())
    plan = log.begin_flush()
    append(log, batch(b"b", producer=(7, 0, 1)))
    append(log, batch(b"c", producer=(9, 0, 0)))
    plan.sync()
    log.end_flush(plan)
    snapshot = producer_snapshot.decode((house.path / f"{2:020}.snapshot").read_bytes(), NOW)
    assert sorted(producer.entry() for producer in snapshot) == expected


@pytest.mark.parametrize("what", ["cut", "emptied", "deleted", "retired"])
def test_nothing_derived_is_written_where_the_segment_is_another_by_then(house: LogHouse, what: str) -> None:
    log = house.open()
    for sequence in range(3):
        append(log, batch(b"a" * 20, producer=(7, 0, sequence)))
    log.roll(NOW)
    append(log, batch(b"b"))
    plan = log.begin_flush()
    if what == "cut":
        log.truncate_to(2)
    elif what == "emptied":
        log.truncate_fully_and_start_at(9)
    elif what == "deleted":
        log.delete("gone")
        house.open()
    else:
        log.advance_log_start(3)
        log.delete_segments_before(3, NOW)
    plan.sync()
    assert not house.names(".index") and not house.names(".timeindex")
    assert what == "retired" or not house.names(".snapshot"), "retention leaves what is known of producers"


def test_of_snapshots_that_nobody_comes_to_write_a_few_are_remembered(house: LogHouse) -> None:
    """Each holds on to all producers that there were."""
    log = house.open()
    for sequence in range(20):
        append(log, batch(b"a", producer=(7, 0, sequence)))
        log.roll(NOW)
    log.flush()
    assert len(house.names(".snapshot")) == 2 and len(house.names(".index")) == 20


def test_a_roll_during_a_flush_is_left_for_the_next_one(house: LogHouse) -> None:
    log = house.open()
    append(log, batch(b"a"))
    plan = log.begin_flush()
    append(log, batch(b"b"))
    sealed = log.segments.active.file
    log.roll(NOW)
    plan.sync()
    log.end_flush(plan)
    assert log.flushed_offset == 1
    assert sealed in log.begin_flush().files


def test_flushes_may_overlap_and_end_in_any_order(house: LogHouse) -> None:
    log = house.open()
    append(log, batch(b"a"))
    first = log.begin_flush()
    log.roll(NOW)
    append(log, batch(b"b"))
    second = log.begin_flush()
    assert set(first.files) <= set(second.files)
    for plan in (second, first):
        plan.sync()
        log.end_flush(plan)
        assert log.flushed_offset == 2


def test_leader_epochs_are_written_by_whoever_syncs(house: LogHouse) -> None:
    """Replacing a file takes as long as the disk likes, and the log's own thread serves everybody."""
    log = house.open()
    append(log, batch(b"a"), epoch=3)
    plan = log.begin_flush()
    assert not house.names("checkpoint")
    plan.sync()
    log.end_flush(plan)
    assert epochs_on_disk(house) == [(3, 0)]
    assert log.begin_flush().epochs is None


def test_leader_epochs_of_an_older_flush_are_not_written_over_newer_ones(house: LogHouse) -> None:
    log = house.open()
    append(log, batch(b"a"), epoch=3)
    first = log.begin_flush()
    append(log, batch(b"b"), epoch=4)
    second = log.begin_flush()
    for plan in (second, first):
        plan.sync()
        log.end_flush(plan)
    assert epochs_on_disk(house) == [(3, 0), (4, 1)]
    assert log.begin_flush().epochs is None


def test_a_flush_writes_no_leader_epochs_where_another_log_may_lie(house: LogHouse) -> None:
    log = house.open()
    append(log, batch(b"a"), epoch=3)
    plan = log.begin_flush()
    log.delete("gone")
    house.open()
    plan.sync()
    assert not house.names("checkpoint")


def test_leader_epochs_that_the_disk_refuses_are_written_with_the_next_flush(house: LogHouse, disk: FaultyDisk) -> None:
    log = house.open()
    append(log, batch(b"a"), epoch=3)
    disk.fails = {"replace_file"}
    log.flush()
    assert (log.flushed_offset, log.recovery_point) == (1, 0), "a start has to look for them in the batches"
    disk.fails = set()
    log.flush()
    assert log.recovery_point == 1 and epochs_on_disk(house) == [(3, 0)]


def epochs_on_disk(house: LogHouse) -> list[tuple[int, int]]:
    return decode_epochs((house.path / "leader-epoch-checkpoint").read_bytes())


def test_a_truncation_during_a_flush_takes_its_offset_away(house: LogHouse) -> None:
    log = house.open()
    for _ in range(5):
        append(log, batch(b"a"))
    plan = log.begin_flush()
    log.truncate_to(2)
    for _ in range(5):
        append(log, batch(b"other"))
    plan.sync()
    log.end_flush(plan)
    assert log.flushed_offset <= 2
    log.flush()
    assert log.flushed_offset == 7


def test_a_segment_deleted_during_a_flush_does_not_disturb_it(house: LogHouse) -> None:
    log = house.open()
    for _ in range(40):
        append(log, batch(b"x" * 30))
    plan = log.begin_flush()
    log.advance_log_start(30)
    assert log.delete_old_segments(NOW, log.log_end_offset)
    plan.sync()
    log.end_flush(plan)
    assert log.flushed_offset == 40
