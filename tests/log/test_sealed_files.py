"""What is derived of sealed segments is written beside the log: none of it is forgotten, and nothing waits for it."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest

from odradek_broker.log.config import LogConfig
from odradek_broker.log.log import Log
from odradek_broker.log.validation import Origin
from odradek_broker.ports.disk import RealDisk
from tests.log.faulty_disk import FaultyDisk
from tests.log.log_batches import TRANSACTIONAL, batch, marker
from tests.log.log_fixtures import NOW, LogHouse, append, some

PATIENCE_SECONDS = 20
"""Whoever waits for the disk is found after so long."""


@pytest.fixture
def house(tmp_path: Path) -> LogHouse:
    return LogHouse(tmp_path)


def rolled(log: Log, times: int) -> None:
    for _ in range(times):
        append(log, batch(b"a", producer=(7, 0, log.log_end_offset)))
        log.roll(NOW)


@pytest.mark.parametrize("how", ["cut", "emptied"])
def test_a_snapshot_that_was_written_goes_with_what_is_cut_though_no_flush_has_ended(house: LogHouse, how: str) -> None:
    """Else the next start would miss what had been cut, or believe it of producers."""
    log = house.open()
    rolled(log, 3)
    plan = log.begin_flush()
    plan.sync()
    assert house.names(".snapshot") == [f"{1:020}.snapshot", f"{3:020}.snapshot"]
    rolled(log, 1)
    if how == "cut":
        log.truncate_to(1)
    else:
        log.truncate_fully_and_start_at(0)
    log.end_flush(plan)
    append(log, batch(b"b"))
    log.close(clean=True)
    again = house.open(clean=True)
    assert again.recovery is None, str(again.recovery)
    assert house.names(".snapshot")[-1] == f"{again.log_end_offset:020}.snapshot"


class _RollingDisk(RealDisk):
    """Somebody rolls the log in the midst of writing one file."""

    def __init__(self) -> None:
        self.name = ""
        self.log: Log | None = None
        self.has_waited = False

    def replace_file(self, path: str, data: bytes | bytearray | memoryview, *, sync: bool = True) -> None:
        log = self.log
        if log is not None and path.endswith(self.name):
            self.log = None
            rolling = Thread(target=rolled, args=(log, 1), daemon=True)
            rolling.start()
            rolling.join(PATIENCE_SECONDS)
            self.has_waited = rolling.is_alive()
        super().replace_file(path, data, sync=sync)


def test_who_rolls_waits_for_no_snapshot_that_is_being_written(tmp_path: Path) -> None:
    disk = _RollingDisk()
    house = LogHouse(tmp_path, disk=disk)
    log = house.open()
    rolled(log, 2)
    disk.name, disk.log = f"{2:020}.snapshot", log
    log.flush()
    assert disk.log is None, "the snapshot was written"
    assert not disk.has_waited
    log.flush()
    log.truncate_to(0)
    assert house.names(".snapshot") == []


def test_what_is_known_of_producers_outlives_records_that_retention_takes(house: LogHouse) -> None:
    """A log that lies idle then is flushed by nobody: else a process that is killed would forget who is fenced."""
    log = house.open()
    append(log, batch(b"a", producer=(7, 3, 0)))
    log.flush()
    log.advance_log_start(1)
    assert log.delete_segments_before(1, NOW) and log.leaves_work_to_a_start
    expected = [producer.entry() for producer in log.producers.producers.values()]
    log.close(clean=False)
    again = house.open(clean=False, recovery_point=1, log_start_offset=1)
    assert [producer.entry() for producer in again.producers.producers.values()] == expected


def test_a_snapshot_that_cannot_be_written_keeps_what_it_stands_for(tmp_path: Path) -> None:
    disk = FaultyDisk()
    house = LogHouse(tmp_path, disk=disk)
    log = house.open()
    append(log, batch(b"a", producer=(7, 3, 0)))
    log.flush()
    log.advance_log_start(1)
    disk.fails = {"replace_file"}
    with pytest.raises(OSError, match="replace_file failed"):
        log.delete_segments_before(1, NOW)
    assert log.failed is None
    disk.fails = set()
    assert log.delete_segments_before(1, NOW) == [f"{0:020}.log"]
    assert house.names(".snapshot") == [f"{1:020}.snapshot"]


def test_a_start_looks_where_an_index_has_changed_while_it_was_written(house: LogHouse) -> None:
    """What was to be written is given up, and the next flush writes what it is then."""
    log = house.open()
    append(log, batch(b"a", producer=(7, 0, 0), attributes=TRANSACTIONAL))
    log.flush()
    append(log, marker(7, 0, commit=False), origin=Origin.COORDINATOR)
    expected = log.aborted_transactions(0, 2)
    log.roll(NOW)
    append(log, batch(b"b"))
    plan = log.begin_flush()
    log.segments.first.transaction_index = log.segments.first.transaction_index.copy()
    plan.sync()
    log.end_flush(plan)
    assert (log.flushed_offset, log.recovery_point, log.owes_files) == (3, 2, True)
    log.close(clean=False)
    again = house.open(clean=False, recovery_point=log.recovery_point)
    assert again.aborted_transactions(0, 2) == expected != []


def test_a_swap_that_has_failed_once_has_failed_for_everybody(tmp_path: Path) -> None:
    """Be it that a reader came first: the log must not go on with a segment that has no name."""
    disk = FaultyDisk()
    house = LogHouse(tmp_path, LogConfig(cleanup_policy=frozenset({"compact"})), disk)
    log = house.open()
    append(log, batch((b"k", b"1")))
    log.roll(NOW)
    append(log, batch((b"k", b"2")))
    log.flush()
    plan = some(log.begin_compaction(NOW, log.log_end_offset, force=True))
    assert plan.step()
    swap = some(log.begin_install(plan))
    disk.fails = {"rename"}
    with pytest.raises(OSError, match="rename failed"):
        swap.cleaned.arrive()
    with pytest.raises(OSError, match="rename failed"):
        swap.run()


def test_a_full_disk_keeps_no_segment_but_those_that_tell_of_producers(tmp_path: Path) -> None:
    """Deleting is what makes room."""
    disk = FaultyDisk()
    house = LogHouse(tmp_path, disk=disk)
    log = house.open()
    rolled(log, 3)
    log.flush()
    rolled(log, 1)
    disk.fails = {"replace_file"}
    log.advance_log_start(4)
    assert log.delete_segments_before(4, NOW) == [f"{base:020}.log" for base in range(3)]
    disk.fails = set()
    assert log.delete_segments_before(4, NOW) == [f"{3:020}.log"]
