"""A log is appended to, read, rolled, closed and opened again."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from odradek_broker.log.appendable import Appended
from odradek_broker.log.config import LogConfig
from odradek_broker.log.failures import OffsetOutOfRange, OffsetsOutOfOrder, TopicIdMismatch
from odradek_broker.log.log import Log
from odradek_broker.log.validation import Origin
from tests.log.log_batches import batch, headers, records
from tests.log.log_fixtures import NOW, SMALL, LogHouse, append, read_all, some


@pytest.fixture
def house(tmp_path: Path) -> LogHouse:
    return LogHouse(tmp_path)


def filled(house: LogHouse, count: int = 40, **more: Any) -> Log:
    """Batches of 1 to 3 records, each record saying its own offset."""
    log = house.open()
    rng = random.Random(1)
    for _ in range(count):
        values = [b"%d" % (log.log_end_offset + i) for i in range(rng.randint(1, 3))]
        append(log, batch(*values), **more)
    return log


def test_what_is_appended_is_read_back_with_its_offset_and_epoch(house: LogHouse) -> None:
    log = house.open()
    first = append(log, batch(b"a", b"b"), epoch=3)
    second = append(log, batch(b"c"), epoch=3)
    assert (first.base_offset, first.last_offset, second.base_offset) == (0, 1, 2)
    assert first.log_append_time_ms == -1 and not first.duplicate
    data = some(log.read(0, 1 << 20)).read()
    assert [(offset, value) for offset, _, _, value in records(data)] == [(0, b"a"), (1, b"b"), (2, b"c")]
    assert {header.leader_epoch for header in headers(data)} == {3}


def test_the_batch_is_stamped_in_place_and_a_readonly_buffer_is_copied(house: LogHouse) -> None:
    log = house.open()
    buffer = bytearray(batch(b"a"))
    append(log, batch(b"x"))
    log.append_as_leader(memoryview(buffer), leader_epoch=7, now_ms=NOW)
    assert headers(bytes(buffer))[0].base_offset == 1 and headers(bytes(buffer))[0].leader_epoch == 7
    untouched = batch(b"b")
    result = log.append_as_leader(memoryview(untouched), leader_epoch=7, now_ms=NOW)
    assert isinstance(result, Appended) and headers(untouched)[0].base_offset == 0


def test_segments_are_named_by_their_base_offset_and_rolled_by_size(house: LogHouse) -> None:
    log = filled(house)
    bases = [segment.base_offset for segment in log.segments]
    assert len(bases) > 2 and bases == sorted(set(bases))
    assert house.names(".log") == [f"{base:020d}.log" for base in bases]
    assert all(segment.size_bytes <= SMALL.segment_bytes for segment in log.segments)
    assert [header.last_offset for header in headers(house.content())][-1] == log.log_end_offset - 1


def test_every_offset_is_found_whatever_the_segment_whether_open_or_reopened(house: LogHouse) -> None:
    log = filled(house)
    for again in (False, True):
        if again:
            log.close(clean=True)
            log = house.open()
        for offset in range(log.log_end_offset):
            first = headers(some(log.read(offset, 1)).read())[0]
            assert first.base_offset <= offset <= first.last_offset


def test_a_read_returns_whole_batches_within_its_limit_but_at_least_one(house: LogHouse) -> None:
    log = filled(house)
    for limit in range(1, 700, 13):
        for offset in range(0, log.log_end_offset, 3):
            data = some(log.read(offset, limit)).read()
            assert len(headers(data)) == 1 or len(data) <= limit


def test_a_read_takes_as_many_batches_as_fit(tmp_path: Path) -> None:
    house = LogHouse(tmp_path, LogConfig())
    log = house.open()
    size = len(batch(b"a"))
    for _ in range(100):
        append(log, batch(b"a"))
    log.close(clean=True)
    log = house.open()
    for count in (1, 2, 50, 100):
        assert len(some(log.read(0, count * size + size // 2))) == min(count, 100) * size
        assert len(some(log.read(0, count * size))) == min(count, 100) * size


def test_without_min_one_a_batch_longer_than_the_limit_is_not_read(house: LogHouse) -> None:
    log = filled(house)
    assert log.read(0, 10, min_one=False) is None
    assert log.read(0, 10, min_one=True) is not None


@pytest.mark.parametrize("reopened", [False, True])
def test_a_read_never_passes_max_offset(house: LogHouse, reopened: bool) -> None:
    log = filled(house)
    if reopened:
        log.close(clean=True)
        log = house.open()
    ends = [header.last_offset + 1 for header in headers(house.content())]
    for max_offset in ends:
        for offset in range(max_offset):
            data = some(log.read(offset, 1 << 20, max_offset=max_offset)).read()
            assert headers(data)[-1].last_offset < max_offset
        assert log.read(max_offset, 1 << 20, max_offset=max_offset) is None


def test_offsets_outside_the_log_are_refused_and_its_end_is_empty(house: LogHouse) -> None:
    log = filled(house)
    assert log.read(log.log_end_offset, 100) is None
    for offset in (-1, log.log_end_offset + 1):
        with pytest.raises(OffsetOutOfRange):
            log.read(offset, 100)
    log.advance_log_start(5)
    with pytest.raises(OffsetOutOfRange):
        log.read(4, 100)
    assert headers(some(log.read(5, 1)).read())[0].last_offset >= 5


def test_a_slice_can_be_read_after_its_segment_was_deleted(house: LogHouse) -> None:
    log = filled(house)
    held = log.read(0, 1 << 20)
    before = some(held).read()
    log.truncate_fully_and_start_at(1_000)
    assert some(held).read() == before


def test_a_clean_start_reads_neither_log_nor_indexes(house: LogHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    log = filled(house, 200)
    end = log.log_end_offset
    log.close(clean=True)
    read = []
    real = type(house.disk).read_file
    monkeypatch.setattr(type(house.disk), "read_file", lambda self, path: read.append(path) or real(self, path))
    log = house.open()
    assert log.recovery is None and log.log_end_offset == log.flushed_offset == end
    assert not [path for path in read if path.endswith(("index", ".log"))]
    assert read_all(log) == house.content()


def test_a_log_goes_on_after_a_clean_stop_as_if_nothing_had_been(house: LogHouse) -> None:
    log = filled(house, 11)
    for _ in range(5):
        end = log.log_end_offset
        log.close(clean=True)
        log = house.open()
        assert append(log, batch(b"more")).base_offset == end
    assert read_all(log) == house.content()


def test_a_second_clean_stop_without_a_write_writes_nothing(house: LogHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(house).close(clean=True)
    monkeypatch.setattr(type(house.disk), "replace_file", lambda *a, **k: pytest.fail(f"written: {a[1]}"))
    house.open().close(clean=True)


def test_segments_roll_by_the_time_between_their_first_and_the_next_batch(tmp_path: Path) -> None:
    house = LogHouse(tmp_path, LogConfig(segment_ms=100))
    log = house.open()
    for timestamp in (1_000, 1_100, 1_101, 1_150, 1_202):
        append(log, batch(b"a", timestamp=timestamp))
    assert [segment.base_offset for segment in log.segments] == [0, 2, 4]
    log.close(clean=True)
    log = house.open()
    append(log, batch(b"a", timestamp=1_302))
    append(log, batch(b"a", timestamp=1_303))
    assert [segment.base_offset for segment in log.segments] == [0, 2, 4, 6]


def test_segments_roll_when_an_index_is_full(tmp_path: Path) -> None:
    log = LogHouse(tmp_path, LogConfig(index_interval_bytes=1, segment_index_bytes=5 * 12)).open()
    for i in range(30):
        append(log, batch(b"a", timestamp=1_000 + i))
    assert len(log.segments) > 3
    assert all(len(segment.time_index) <= 5 and len(segment.offset_index) <= 7 for segment in log.segments)


def test_segments_roll_before_a_relative_offset_overflows(tmp_path: Path) -> None:
    log = LogHouse(tmp_path, LogConfig()).open()
    append(log, batch(b"a"))
    far = batch(b"b", base_offset=2**31)
    log.append_as_follower(memoryview(far), now_ms=NOW)
    assert len(log.segments) == 2
    assert some(log.read(1, 100)).read() == far


def test_a_roll_of_an_empty_segment_is_no_roll(house: LogHouse) -> None:
    log = house.open()
    log.roll(NOW)
    append(log, batch(b"a"))
    log.roll(NOW)
    log.roll(NOW)
    assert house.names(".log") == ["00000000000000000000.log", "00000000000000000001.log"]


def test_a_follower_copy_is_byte_for_byte_the_leaders(tmp_path: Path) -> None:
    leader = filled(LogHouse(tmp_path / "leader"), 60)
    copy = LogHouse(tmp_path / "follower", LogConfig(segment_bytes=3_000))
    follower = copy.open()
    rng = random.Random(2)
    while follower.log_end_offset < leader.log_end_offset:
        data = some(leader.read(follower.log_end_offset, rng.randint(1, 1_500))).read()
        follower.append_as_follower(memoryview(data + batch(b"cut off")[:-3]), now_ms=NOW)
    assert read_all(follower) == read_all(leader) == copy.content()
    assert follower.epochs.entries() == leader.epochs.entries()


def test_a_follower_refuses_what_does_not_follow_or_is_damaged(house: LogHouse) -> None:
    log = filled(house, 5)
    end, content = log.log_end_offset, house.content()
    damaged = bytearray(batch(b"a", base_offset=end))
    damaged[-2] ^= 1
    for data in (batch(b"a", base_offset=end - 1), bytes(damaged)):
        with pytest.raises(OffsetsOutOfOrder):
            log.append_as_follower(memoryview(data), now_ms=NOW)
    assert log.log_end_offset == end and house.content() == content


def test_only_an_empty_log_that_begins_in_the_midst_of_a_batch_may_begin_with_it(house: LogHouse) -> None:
    of_three = memoryview(batch(b"a", b"b", b"c", base_offset=4, leader_epoch=1))
    log = house.open()
    for start, expected in ((3, None), (4, None), (5, 4), (6, 4), (7, None)):
        log.truncate_fully_and_start_at(start)
        assert log.beginning_of(of_three) == expected, start
    log.truncate_fully_and_start_at(5)
    assert log.beginning_of(of_three[:-1]) is None, "it is not whole"
    log.append_as_follower(memoryview(batch(b"a", base_offset=5, leader_epoch=1)), now_ms=NOW)
    assert log.beginning_of(memoryview(batch(b"a", b"b", base_offset=5, leader_epoch=1))) is None, "it has records"


def test_a_follower_of_a_compacted_log_takes_gaps_in_the_offsets(house: LogHouse) -> None:
    log = house.open()
    for base in (3, 10, 11):
        log.append_as_follower(memoryview(batch(b"a", base_offset=base, leader_epoch=1)), now_ms=NOW)
    for again in range(2):
        assert log.log_end_offset == 12
        assert [header.base_offset for header in headers(read_all(log, 0))] == [3, 10, 11]
        assert headers(some(log.read(4, 1)).read())[0].base_offset == 10
        log.close(clean=not again)
        log = house.open(clean=not again)


def test_truncation_leaves_a_prefix_and_forgets_the_rest(house: LogHouse) -> None:
    whole = filled(house)
    content = house.content()
    starts = [header.base_offset for header in headers(content)]
    whole.close(clean=True)
    for offset in reversed(range(whole.log_end_offset + 1)):
        log = house.open()
        log.truncate_to(offset)
        expected = max((base for base in [*starts, whole.log_end_offset] if base <= offset), default=0)
        assert log.log_end_offset == expected
        assert [header.base_offset for header in headers(read_all(log))] == [base for base in starts if base < expected]
        assert all(segment.base_offset <= expected for segment in log.segments)
        log.close(clean=True)


def test_a_truncated_log_takes_other_batches_in_their_place(house: LogHouse) -> None:
    log = filled(house)
    log.truncate_to(7)
    end = log.log_end_offset
    for i in range(30):
        append(log, batch(b"other %d" % i), epoch=1)
    assert log.epochs.entries() == [(0, 0), (1, end)]
    log.close(clean=True)
    log = house.open()
    assert [value for offset, *_, value in records(read_all(log)) if offset >= end] == [
        b"other %d" % i for i in range(30)
    ]
    assert log.end_offset_for_epoch(0) == (0, end)


def test_a_log_begun_again_at_an_offset_is_empty_there(house: LogHouse) -> None:
    log = filled(house)
    log.truncate_fully_and_start_at(500)
    assert (log.log_start_offset, log.log_end_offset, log.size_bytes) == (500, 500, 0)
    assert house.names(".log") == ["00000000000000000500.log"]
    assert append(log, batch(b"a")).base_offset == 500
    log.close(clean=True)
    assert house.open().log_start_offset == 500


def test_deleting_records_hides_them_and_retention_frees_the_space(house: LogHouse) -> None:
    log = filled(house)
    start = list(log.segments)[2].base_offset
    log.advance_log_start(start + 1)
    assert log.log_start_offset == start + 1 and len(house.names(".log")) == len(log.segments)
    gone = log.delete_old_segments(NOW, log.log_end_offset)
    assert len(gone) == 2 and log.segments.first.base_offset == start
    assert len(house.names(".deleted")) >= 2
    assert log.take_deleted_files(NOW + 59_999) == []
    due = {os.path.basename(path) for path in log.take_deleted_files(NOW + 60_000)}
    assert due >= set(house.names(".deleted"))
    assert log.take_deleted_files(NOW + 60_000) == []
    with pytest.raises(OffsetOutOfRange):
        log.advance_log_start(log.log_end_offset + 1)


def test_look_up_by_time_finds_the_first_record_as_young(house: LogHouse) -> None:
    log = house.open()
    times = [1_000, 1_005, 1_002, 1_010, 1_007, 1_007, 1_020, 1_001]
    for i in range(0, 320, 4):
        shifted = [times[(i + k) % 8] + i for k in range(4)]
        append(log, batch(b"a", b"b", b"c", b"d", timestamps=shifted))
    everything = [(offset, timestamp) for offset, timestamp, *_ in records(house.content())]
    assert len(log.segments) > 3
    for wanted in range(990, 1_350):
        expected = next(((time, offset) for offset, time in everything if time >= wanted), None)
        found = log.offset_for_timestamp(wanted)
        assert (None if found is None else (found.timestamp, found.offset)) == expected
    youngest = max(time for _, time in everything)
    found = log.max_timestamp_offset()
    assert (some(found).timestamp, some(found).offset) == next((t, o) for o, t in everything if t == youngest)
    assert log.offset_for_timestamp(1_100, max_offset=50) is None


def test_records_without_timestamps_have_no_youngest(house: LogHouse) -> None:
    log = house.open()
    append(log, batch(b"a", timestamp=-1))
    assert log.max_timestamp_offset() is None and log.offset_for_timestamp(0) is None


def test_log_append_time_is_the_brokers(tmp_path: Path) -> None:
    log = LogHouse(tmp_path, LogConfig(message_timestamp_type="LogAppendTime")).open()
    result = append(log, batch(b"a", b"b", timestamps=[5, 6]), now_ms=77_000)
    assert result.log_append_time_ms == 77_000
    header = headers(some(log.read(0, 100)).read())[0]
    assert header.max_timestamp == 77_000 and header.attributes & 8
    found = log.offset_for_timestamp(70_000)
    assert (some(found).timestamp, some(found).offset) == (77_000, 0)
    log.close(clean=False)
    recovered = LogHouse(tmp_path).open(clean=False)
    assert recovered.log_end_offset == 2, "the checksum was made anew"


def test_a_coordinator_appends_several_batches_at_one_stroke(house: LogHouse) -> None:
    log = house.open()
    result = append(log, batch(b"a") + batch(b"b", b"c"), origin=Origin.COORDINATOR)
    assert (result.base_offset, result.last_offset, log.log_end_offset) == (0, 2, 3)
    assert [offset for offset, *_ in records(read_all(log))] == [0, 1, 2]


def test_another_topics_log_is_not_opened(house: LogHouse) -> None:
    filled(house, 1).close(clean=True)
    with pytest.raises(TopicIdMismatch):
        Log.open(str(house.path), house.disk, SMALL, topic_id=bytes(16), clean=True, now_ms=NOW)
    assert (house.path / "partition.metadata").read_bytes() == b"version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw"


def test_a_deleted_log_is_set_aside_and_its_name_is_free_at_once(house: LogHouse) -> None:
    log = filled(house, 3)
    marked = log.delete("abc")
    assert marked.endswith("orders-0.abc-delete")
    assert house.open().log_end_offset == 0


def test_leader_epochs_begin_where_the_log_ends_even_without_a_batch(house: LogHouse) -> None:
    log = filled(house, 3)
    end = log.log_end_offset
    log.assign_leader_epoch(4)
    assert log.end_offset_for_epoch(4) == (4, end) and log.end_offset_for_epoch(3) == (0, end)
    append(log, batch(b"a"), epoch=4)
    log.close(clean=True)
    assert house.open().end_offset_for_epoch(0) == (0, end)
    assert (house.path / "leader-epoch-checkpoint").read_text() == f"0\n2\n0 0\n4 {end}\n"


def test_few_sealed_segments_keep_their_files_open(house: LogHouse) -> None:
    log = filled(house, 300)
    assert len(log.segments) > 20
    log.flush()
    for offset in range(0, log.log_end_offset, 7):
        log.read(offset, 100)
    assert sum(segment._file is not None for segment in log.segments) <= 6


def test_a_read_that_meets_damage_ends(house: LogHouse) -> None:
    """A length of -12 would keep a walk in one place for ever."""
    log = house.open()
    for _ in range(9):
        append(log, batch(b"x" * 300))
    path = house.path / house.names(".log")[0]
    log.close(clean=True)
    data = bytearray(path.read_bytes())
    for length in (-12, -(2**31), 0, 48, 2**31 - 1):
        data[8:12] = length.to_bytes(4, "big", signed=True)
        path.write_bytes(data)
        log = house.open(recovery_point=0)
        with pytest.raises(OSError, match="batch"):
            log.read(0, 1_000)
        log.close(clean=False)
