"""Whole segments go: by age, by size, by the start of the log; never what is not replicated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from odradek_broker.log.config import LogConfig
from odradek_broker.log.log import Log
from tests.log.log_batches import batch
from tests.log.log_fixtures import LogHouse, append, read_all

DAY = 24 * 3_600_000
BASE = LogConfig(segment_bytes=300, retention_ms=-1)


@pytest.fixture
def house(tmp_path: Path) -> LogHouse:
    return LogHouse(tmp_path, BASE)


def daily(house: LogHouse, days: int = 10) -> Log:
    """A segment a day, of three batches each."""
    log = house.open()
    for day in range(days):
        for _ in range(3):
            append(log, batch(b"x" * 30, timestamp=day * DAY), now_ms=day * DAY)
        log.roll(day * DAY)
        log.flush()
    return log


def retain(log: Log, now_ms: int, high_watermark: int | None = None, **settings: Any) -> int:
    log.config = msgspec.structs.replace(BASE, **settings)
    return len(log.delete_old_segments(now_ms, log.log_end_offset if high_watermark is None else high_watermark))


def test_segments_older_than_retention_go(house: LogHouse) -> None:
    log = daily(house)
    assert retain(log, 9 * DAY, retention_ms=5 * DAY) == 4
    assert (log.log_start_offset, log.segments.first.base_offset) == (12, 12)
    assert retain(log, 9 * DAY, retention_ms=5 * DAY) == 0
    assert retain(log, 9 * DAY + 1, retention_ms=5 * DAY) == 1


def test_nothing_is_deleted_because_a_time_index_says_that_it_is_old(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = LogHouse(tmp_path, msgspec.structs.replace(BASE, segment_bytes=1_000, index_interval_bytes=60))
    log = house.open()
    for day in range(3):
        append(log, batch(b"x" * 30, timestamp=day * DAY), now_ms=day * DAY)
    append(log, batch(b"x" * 30, timestamp=6 * DAY), now_ms=6 * DAY)
    log.roll(6 * DAY)
    append(log, batch(b"x" * 30, timestamp=6 * DAY), now_ms=6 * DAY)
    log.close(clean=True)
    path = house.path / house.names(".timeindex")[0]
    whole = path.read_bytes()
    for rotten in (whole[:-12], whole[:-12] + (2 * DAY + 1).to_bytes(8, "big") + whole[-4:]):
        path.write_bytes(rotten)
        caplog.clear()
        log = house.open()
        assert retain(log, 10 * DAY, retention_ms=5 * DAY) == 0
        assert path.name in caplog.text
        log.close(clean=False)


def test_a_damaged_segment_keeps_nothing_for_longer_than_its_file_is_old(house: LogHouse) -> None:
    daily(house).close(clean=True)
    path = house.path / house.names(".log")[1]
    content = path.read_bytes()
    path.write_bytes(b"\xff" * len(content))
    log = house.open()
    for each in house.names(".log"):
        os.utime(house.path / each, (8 * DAY // 1000,) * 2)
    assert retain(log, 9 * DAY, retention_ms=5 * DAY) == 1
    assert retain(log, 13 * DAY + 1, retention_ms=5 * DAY) == 8
    log.close(clean=False)


def test_the_oldest_segments_go_while_the_rest_is_long_enough(house: LogHouse) -> None:
    log = daily(house)
    size = log.segments.first.size_bytes
    assert retain(log, 0, retention_bytes=4 * size + 1) == 5
    assert retain(log, 0, retention_bytes=4 * size) == 1
    assert log.size_bytes == 4 * size


def test_nothing_goes_that_reaches_the_high_watermark(house: LogHouse) -> None:
    log = daily(house)
    assert retain(log, 100 * DAY, high_watermark=7, retention_ms=DAY) == 2
    assert log.log_start_offset == 6


def test_an_idle_log_is_emptied_and_keeps_its_end(house: LogHouse) -> None:
    log = daily(house)
    append(log, batch(b"last", timestamp=9 * DAY), now_ms=9 * DAY)
    end = log.log_end_offset
    assert retain(log, 100 * DAY, retention_ms=DAY) == 11
    assert (log.log_start_offset, log.log_end_offset, log.size_bytes) == (end, end, 0)
    assert read_all(log) == b""
    log.close(clean=True)
    log = house.open()
    assert (log.log_start_offset, log.log_end_offset) == (end, end)
    assert append(log, batch(b"next")).base_offset == end


def test_a_topic_that_only_compacts_keeps_its_segments_but_for_deleted_records(house: LogHouse) -> None:
    log = daily(house)
    settings: dict[str, Any] = {"cleanup_policy": frozenset({"compact"}), "retention_ms": DAY, "retention_bytes": 1}
    assert retain(log, 100 * DAY, **settings) == 0
    log.advance_log_start(6)
    assert retain(log, 100 * DAY, **settings) == 2


def test_segments_without_timestamps_go_by_when_they_were_written(house: LogHouse) -> None:
    log = house.open()
    append(log, batch(b"a", timestamp=-1))
    log.roll(0)
    written = log.segments.first.modified_ms()
    assert retain(log, written + DAY, retention_ms=DAY) == 0
    assert retain(log, written + DAY + 1, retention_ms=DAY) == 1


def test_retention_after_a_clean_start_reads_only_the_end_of_the_time_index_but_for_what_goes(
    house: LogHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily(house).close(clean=True)
    log = house.open()
    whole = set()
    read_file = type(house.disk).read_file
    monkeypatch.setattr(type(house.disk), "read_file", lambda disk, path: whole.add(path) or read_file(disk, path))
    assert retain(log, 9 * DAY, retention_ms=10 * DAY) == 0 and not whole
    going = [segment.path(suffix) for segment in list(log.segments)[:4] for suffix in (".index", ".timeindex")]
    assert retain(log, 9 * DAY, retention_ms=5 * DAY) == 4 and whole == set(going)


def test_snapshots_of_deleted_segments_go_with_them(house: LogHouse) -> None:
    log = daily(house)
    retain(log, 9 * DAY, retention_ms=5 * DAY)
    assert min(house.names(".snapshot")) == f"{12:020d}.snapshot"
