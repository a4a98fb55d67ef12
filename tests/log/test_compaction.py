"""Compaction keeps the newest record of each key, moves no offset, and survives a crash at every step."""

from __future__ import annotations

import random
import shutil
import struct
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import CRC_COVERS_FROM, iter_headers, read_header
from odradek_broker.log.config import DAY_MS, LogConfig
from odradek_broker.log.failures import DamagedLog
from odradek_broker.log.log import Log
from odradek_broker.log.offset_checkpoints import CLEANER_OFFSETS, COMPACTED_FOR
from odradek_broker.log.raw_batch import kept_of, rebased
from odradek_broker.log.swap import Swap
from odradek_broker.log.validation import Origin
from odradek_broker.node.housekeeping import Housekeeping
from tests.log.faulty_disk import Crash, CrashingDisk
from tests.log.log_batches import DELETE_HORIZON, TRANSACTIONAL, batch, headers, marker, record, records, with_crc
from tests.log.log_fixtures import NOW, LogHouse, append, read_all, some
from tests.log.test_recovery import files, state

MAGIC = 16
"""Where a batch's header says of what format it is."""
COMPACT = LogConfig(
    segment_bytes=800, index_interval_bytes=100, cleanup_policy=frozenset({"compact"}), min_cleanable_dirty_ratio=0.0
)


@pytest.fixture
def house(tmp_path: Path) -> LogHouse:
    return LogHouse(tmp_path, COMPACT)


def keyed(log: Log, count: int, rng: random.Random, tombstones: float = 0.1) -> None:
    """Batches of records with few keys, some of them tombstones."""
    for _ in range(count):
        pairs = []
        for _ in range(rng.randint(1, 3)):
            value = None if rng.random() < tombstones else b"%d" % rng.randrange(10**6)
            pairs.append((b"k%d" % rng.randrange(12), value))
        append(log, batch(*pairs))


def by_offset(data: bytes) -> dict[int, tuple[bytes | None, bytes | None]]:
    return {offset: (key, value) for offset, _, key, value in records(data)}


def newest(data: bytes) -> dict[bytes | None, tuple[int, bytes | None]]:
    return {key: (offset, value) for offset, _, key, value in records(data) if value != b"aborted"}


def compact(log: Log, now_ms: int = NOW, stable: int | None = None) -> bool:
    log.flush()
    return log.compact(now_ms, log.log_end_offset if stable is None else stable, force=True)


@pytest.mark.slow
def test_the_newest_record_of_each_key_survives_at_its_offset(tmp_path: Path) -> None:
    for seed in range(25):
        rng = random.Random(seed)
        house = LogHouse(tmp_path / str(seed), COMPACT)
        log = house.open()
        for round_ in range(4):
            keyed(log, rng.randint(5, 40), rng)
            before = house.content()
            active = log.segments.active.base_offset
            compact(log, NOW + round_)
            after = house.content()
            old, new = by_offset(before), by_offset(after)
            assert new.items() <= old.items(), "offsets, keys and values are what they were"
            assert newest(after) == newest(before)
            dirty_free = [key for offset, (key, _) in new.items() if offset < active]
            assert len(dirty_free) == len(set(dirty_free)), "one record per key is left"
            assert {offset: pair for offset, pair in new.items() if offset >= active} == {
                offset: pair for offset, pair in old.items() if offset >= active
            }
            assert read_all(log) == after
            clean = rng.random() < 0.5
            log.close(clean=clean)
            log = house.open(clean=clean)
            assert house.content() == after


def test_segments_end_where_the_next_begins_so_that_recovery_sees_no_gap(house: LogHouse) -> None:
    log = house.open()
    keyed(log, 100, random.Random(1))
    compact(log)
    bases = [segment.base_offset for segment in log.segments]
    ends = [headers((house.path / name).read_bytes())[-1].last_offset + 1 for name in house.names(".log")[:-1]]
    assert ends == bases[1:]
    end = log.log_end_offset
    log.close(clean=False)
    recovered = house.open(clean=False)
    assert recovered.log_end_offset == end and some(recovered.recovery).cut_at_offset == -1


def test_what_is_damaged_is_not_rewritten_with_a_checksum_that_matches_nor_takes_the_rest_along(
    house: LogHouse,
) -> None:
    log = house.open()
    keyed(log, 30, random.Random(3))
    log.flush()
    content, path = house.content(), house.path / house.names(".log")[1]
    whole = path.read_bytes()
    spans = [(start, start + header.size_bytes) for start, header in iter_headers(whole)]
    for position in [byte for start, end in spans[1:-1] for byte in (start + MAGIC, start + CRC_COVERS_FROM, end - 2)]:
        rotten = bytearray(whole)
        rotten[position] ^= 1
        path.write_bytes(rotten)
        with pytest.raises((OSError, ProtocolError)):
            compact(log)
        path.write_bytes(whole)
        assert house.content() == content, position
        assert not house.names(".cleaned")
    assert compact(log)


def test_reads_skip_what_was_compacted_away(house: LogHouse) -> None:
    log = house.open()
    keyed(log, 100, random.Random(2))
    compact(log)
    left = by_offset(house.content())
    for offset in range(log.log_end_offset):
        data = some(log.read(offset, 1)).read()
        following = min((o for o in left if o >= offset), default=None)
        assert headers(data)[0].last_offset >= offset
        if following is not None and records(data):
            assert headers(data)[0].base_offset <= following
    assert by_offset(read_all(log)) == left


def test_the_active_segment_is_left_alone(house: LogHouse) -> None:
    log = house.open()
    for _ in range(3):
        append(log, batch((b"k", b"v")))
    assert not compact(log)
    assert len(by_offset(house.content())) == 3


def test_what_is_not_stable_yet_is_left_alone(house: LogHouse) -> None:
    log = house.open()
    keyed(log, 100, random.Random(3))
    stable = list(log.segments)[3].base_offset + 1
    before = house.content()
    compact(log, stable=stable)
    limit = max(segment.base_offset for segment in log.segments if segment.base_offset <= stable)
    old, new = by_offset(before), by_offset(house.content())
    assert {o: p for o, p in new.items() if o >= limit} == {o: p for o, p in old.items() if o >= limit}
    assert len(new) < len(old)


def test_what_a_power_cut_may_take_is_left_alone_and_takes_nothing_along(house: LogHouse) -> None:
    """Else the record would be gone for the sake of which another was removed."""
    log = house.open()
    keyed(log, 30, random.Random(3))
    log.flush()
    synced, before = log.flushed_offset, newest(house.content())
    keyed(log, 60, random.Random(4))
    assert some(log.find_dirty(NOW, log.log_end_offset)).end_offset <= synced
    assert log.compact(NOW, log.log_end_offset, force=True)
    log.truncate_to(synced)
    assert newest(house.content()) == before


def test_young_batches_wait_for_the_lag_and_old_ones_do_not_wait_for_the_ratio(tmp_path: Path) -> None:
    config = LogConfig(segment_bytes=300, cleanup_policy=frozenset({"compact"}), min_compaction_lag_ms=1_000)
    log = LogHouse(tmp_path, config).open()
    for i in range(20):
        append(log, batch((b"k", b"v" * 50), timestamp=10_000 + i * 100))
    log.flush()
    assert log.find_dirty(10_500, 20) is None
    assert some(log.find_dirty(11_400, 20)).end_offset < some(log.find_dirty(20_000, 20)).end_offset
    log.first_dirty_offset = log.segments.sealed[-1].base_offset
    assert some(log.find_dirty(20_000, 20)).ratio < 0.5
    assert log.begin_compaction(20_000, 20) is None
    log.config = msgspec.structs.replace(config, max_compaction_lag_ms=5_000)
    assert log.begin_compaction(20_000, 20) is not None


def test_a_tombstone_goes_once_its_horizon_has_passed(house: LogHouse) -> None:
    log = house.open()
    append(log, batch((b"a", b"1"), (b"b", b"2")))
    append(log, batch((b"a", None), (b"c", b"3"), timestamps=[5_000, 5_007]))
    log.roll(NOW)
    append(log, batch((b"z", b"0")))
    compact(log, NOW)
    second = headers(house.content())[1]
    assert second.attributes & DELETE_HORIZON and second.base_timestamp == NOW + DAY_MS
    assert [(t, k, v) for _, t, k, v in records(house.content())][1:3] == [(5_000, b"a", None), (5_007, b"c", b"3")]
    assert second.max_timestamp == 5_007
    log.roll(NOW)
    append(log, batch((b"y", b"0")))
    compact(log, NOW + DAY_MS - 1)
    assert (b"a", None) in by_offset(house.content()).values()
    log.roll(NOW)
    append(log, batch((b"x", b"0")))
    compact(log, NOW + DAY_MS)
    assert by_offset(house.content()) == {
        1: (b"b", b"2"),
        3: (b"c", b"3"),
        4: (b"z", b"0"),
        5: (b"y", b"0"),
        6: (b"x", b"0"),
    }
    assert [t for _, t, *_ in records(house.content())][1] == 5_007, "timestamps are relative to the horizon"


def test_the_last_batch_of_a_live_producer_is_kept_even_when_empty(house: LogHouse) -> None:
    log = house.open()
    append(log, batch((b"k", b"1"), producer=(7, 0, 0)))
    append(log, batch((b"k", b"2"), producer=(7, 0, 1)))
    for _ in range(20):
        append(log, batch((b"k", b"v" * 50)))
    compact(log)
    of_producer = [header for header in headers(house.content()) if header.producer_id == 7]
    assert [(header.base_sequence, header.record_count, header.base_offset) for header in of_producer] == [(1, 0, 1)]
    log.close(clean=False)
    for path in house.path.glob("*.snapshot"):
        path.unlink()
    log = house.open(clean=False)
    assert append(log, batch((b"k", b"2"), producer=(7, 0, 1))).duplicate
    assert append(log, batch((b"k", b"3"), producer=(7, 0, 2))).base_offset == 22


def test_aborted_records_go_at_once_and_their_markers_when_nothing_is_left(house: LogHouse) -> None:
    log = house.open()
    append(log, batch((b"a", b"aborted"), producer=(1, 0, 0), attributes=TRANSACTIONAL))
    append(log, batch((b"b", b"committed"), producer=(2, 0, 0), attributes=TRANSACTIONAL))
    append(log, marker(1, 0, commit=False), origin=Origin.COORDINATOR)
    append(log, marker(2, 0, commit=True), origin=Origin.COORDINATOR)
    for i in range(3):
        append(log, batch((b"b%d" % i, b"x"), producer=(1, 1, i)))
        append(log, batch((b"c%d" % i, b"x"), producer=(2, 1, i)))
    log.roll(NOW)
    append(log, batch((b"z", b"0")))
    compact(log, NOW)
    assert [pair for pair in by_offset(house.content()).values() if pair[1] in (b"aborted", b"committed")] == [
        (b"b", b"committed")
    ]
    assert [header.base_offset for header in headers(house.content()) if header.attributes & 0x20] == [2, 3]
    assert [entry.last_offset for entry in log.aborted_transactions(0, 100)] == [2]
    for now_ms in (NOW, NOW + DAY_MS):
        log.roll(NOW)
        append(log, batch((b"z", b"0")))
        compact(log, now_ms)
    assert [header.base_offset for header in headers(house.content()) if header.attributes & 0x20] == [3]
    assert log.aborted_transactions(0, 100) == []
    log.close(clean=False)
    recovered = house.open(clean=False)
    assert recovered.producers.open_transactions() == []


def test_an_open_transaction_is_not_compacted(house: LogHouse) -> None:
    log = house.open()
    append(log, batch((b"k", b"1")))
    append(log, batch((b"k", b"2"), producer=(1, 0, 0), attributes=TRANSACTIONAL))
    for _ in range(30):
        append(log, batch((b"k", b"v" * 50)))
    stable = log.last_stable_offset(log.log_end_offset)
    assert stable == 1
    assert not compact(log, stable=stable)


def test_a_full_key_map_ends_the_pass_early_and_the_next_one_goes_on(tmp_path: Path) -> None:
    house = LogHouse(tmp_path, msgspec.structs.replace(COMPACT, dedupe_buffer_bytes=160 * 10))
    log = house.open()
    for i in range(200):
        append(log, batch((b"k%d" % (i % 30), b"%d" % i)))
    expected = newest(house.content())
    passes = 0
    while compact(log) and passes < 100:
        passes += 1
        assert newest(house.content()) == expected
    assert 1 < passes < 100
    assert log.first_dirty_offset == log.segments.active.base_offset


def test_long_keys_are_told_apart(house: LogHouse) -> None:
    log = house.open()
    keys = [bytes([i]) * length for i in range(5) for length in (1, 16, 17, 18, 300)]
    for key in keys * 2:
        append(log, batch((key, b"v")))
    log.roll(NOW)
    append(log, batch((b"z", b"0")))
    compact(log)
    assert sorted(key or b"" for key, _ in by_offset(house.content()).values()) == sorted([*keys, b"z"])


def test_retention_or_truncation_during_a_pass_ends_it(house: LogHouse) -> None:
    disturbances: list[Callable[[Log], None]] = [
        lambda log: log.truncate_to(3),
        lambda log: log.truncate_fully_and_start_at(900),
    ]
    for disturb in disturbances:
        log = house.open()
        keyed(log, 60, random.Random(4))
        log.flush()
        plan = some(log.begin_compaction(NOW, log.log_end_offset, force=True))
        assert plan.step()
        disturb(log)
        assert not log.install(plan, NOW)
        assert not house.names(".cleaned")
        content = house.content()
        log.close(clean=False)
        assert some(house.open(clean=False).recovery).cut_at_offset == -1 and house.content() == content
        shutil.rmtree(house.path)


def test_a_cut_behind_all_that_is_rewritten_ends_a_pass_too(house: LogHouse) -> None:
    """Else records would go for the sake of newer ones that are gone."""
    log = house.open()
    keyed(log, 60, random.Random(4))
    log.flush()
    plan = some(log.begin_compaction(NOW, log.log_end_offset, force=True))
    assert plan.step()
    log.truncate_to(log.log_end_offset - 1)
    assert not log.install(plan, NOW)
    assert not house.names(".cleaned")


Run = Callable[[Callable[[], bool]], Awaitable[bool]]
Write = Callable[[Sequence[str]], Awaitable[None]]


async def compact_in_turn(log: Log, run: Run | None = None, write: Write | None = None) -> None:
    """As housekeeping does it; `run` is for the steps, `write` for the checkpoints."""

    async def runs(step: Callable[[], bool]) -> bool:
        return step()

    async def writes(names: Sequence[str]) -> None:
        pass

    broker: Any = SimpleNamespace(
        replica_logs=SimpleNamespace(met=None),
        workers=SimpleNamespace(run=run or runs),
        checkpoints=SimpleNamespace(write=write or writes),
        clock=SimpleNamespace(now_ms=int),
    )
    partition: Any = SimpleNamespace(log=log, last_stable_offset=log.log_end_offset)
    await Housekeeping(broker)._compact_one(partition, NOW)


async def test_a_start_knows_for_whose_sake_records_are_gone_though_the_pass_had_no_end(house: LogHouse) -> None:
    """A follower whose log is cut before these begins anew."""
    log = house.open()
    keyed(log, 60, random.Random(4))
    log.flush()
    written: dict[str, int] = {}
    before = house.content()

    async def write(names: Sequence[str]) -> None:
        if COMPACTED_FOR in names:
            assert written or house.content() == before, "it is written first"
            written[COMPACTED_FOR] = log.compacted_for
        if CLEANER_OFFSETS in names:
            raise Crash

    with pytest.raises(Crash):
        await compact_in_turn(log, write=write)
    assert house.content() != before
    log.close(clean=False)
    again = house.open(clean=False, compacted_for=written.get(COMPACTED_FOR, 0))
    assert again.compacted_for == log.compacted_for > again.first_dirty_offset == 0


@pytest.mark.parametrize("appended", [0, 1, 300])
async def test_what_a_new_leader_has_had_cut_is_no_damage(house: LogHouse, appended: int) -> None:
    log = house.open()
    keyed(log, 60, random.Random(4))
    log.flush()

    async def run(step: Callable[[], bool]) -> bool:
        log.truncate_to(3)
        for _ in range(appended):
            append(log, batch((b"k", b"longer than what was there")))
        return step()

    await compact_in_turn(log, run)
    assert not house.names(".cleaned")


async def test_what_is_damaged_without_a_cut_is(house: LogHouse) -> None:
    log = house.open()
    keyed(log, 60, random.Random(4))
    log.flush()

    async def run(step: Callable[[], bool]) -> bool:
        path = house.path / house.names(".log")[1]
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        return step()

    with pytest.raises(DamagedLog):
        await compact_in_turn(log, run)


def test_a_batch_that_cannot_be_read_stays_as_it_is_and_keeps_nothing_else_from_being_compacted(
    house: LogHouse,
) -> None:
    log = house.open()
    keyed(log, 60, random.Random(4))
    lie, at = batch((b"k", b"v"), base_offset=log.log_end_offset, count=5), log.log_end_offset
    log.append_as_follower(memoryview(lie), now_ms=NOW)
    keyed(log, 60, random.Random(4))
    log.flush()
    before, end = len(house.content()), log.log_end_offset
    plan = some(log.begin_compaction(NOW, end, force=True))
    while plan.step():
        log.install(plan, NOW)
    log.end_compaction(plan)
    assert list(plan.unreadable) == [at] and "records end early" in plan.unreadable[at]
    assert lie in house.content() and len(house.content()) < before / 2
    assert log.log_end_offset == end


EARLIEST, LATEST = -(2**63), 2**63 - 1


@pytest.mark.parametrize("value", [b"v", None], ids=["records", "tombstones"])
@pytest.mark.parametrize(("base", "delta"), [(EARLIEST, -1), (EARLIEST, 1), (LATEST, 1), (LATEST, -(2**63)), (-1, -1)])
def test_a_time_that_no_header_can_hold_is_compacted_and_the_next_start_goes_on(
    house: LogHouse, base: int, delta: int, value: bytes | None
) -> None:
    """Whoever wrote it, an older broker or a leader that takes what we do not."""
    log = house.open()
    payload = record(0, b"a", b"v", 0) + record(1, b"b", value, delta) + record(2, b"a", value, delta)
    log.append_as_follower(memoryview(crafted(payload, 3, base)), now_ms=NOW)
    keyed(log, 60, random.Random(5))
    for now_ms in (NOW, NOW + DAY_MS):
        assert compact(log, now_ms)
        log.close(clean=False)
        log = house.open(clean=False)
        append(log, batch((b"k", b"v" * 700)))
        append(log, batch((b"k", b"v" * 700)))


def crafted(payload: bytes, count: int, base_timestamp: int) -> bytes:
    head = struct.pack(
        ">qiibIhiqqqhii", 0, 49 + len(payload), 0, 2, 0, 0, count - 1, base_timestamp, base_timestamp, -1, -1, -1, count
    )
    return with_crc(head + payload)


@pytest.mark.slow
def test_compaction_survives_a_crash_at_every_step(tmp_path: Path) -> None:
    """Whatever call to the disk is the last one: the newest records are all there, and compaction can go on."""
    origin = LogHouse(tmp_path / "origin", COMPACT)
    log = origin.open()
    append(log, batch((b"a", b"aborted"), producer=(1, 0, 0), attributes=TRANSACTIONAL))
    append(log, marker(1, 0, commit=False), origin=Origin.COORDINATOR)
    rng = random.Random(7)
    keyed(log, 60, rng)
    compact(log)
    assert len(log.segments) > 4, "segments that are mostly empty now, so that the next pass puts several into one"
    append(log, batch((b"a", b"aborted"), producer=(1, 0, 1), attributes=TRANSACTIONAL))
    append(log, marker(1, 0, commit=False), origin=Origin.COORDINATOR)
    keyed(log, 30, rng)
    aborted = log.aborted_transactions(0, log.log_end_offset)
    end, expected = log.log_end_offset, newest(origin.content())
    log.close(clean=True)
    steps = 0
    for house in crashing_copies(tmp_path, origin):
        steps += 1
        after = LogHouse(house.path.parent, COMPACT)
        log = after.open(clean=False)
        assert some(log.recovery).cut_at_offset == -1 and log.log_end_offset == end
        assert newest(after.content()) == expected
        assert not [name for name in after.names() if name.endswith((".cleaned", ".swap", ".deleted"))]
        assert state(log)["aborted"] == [s.transaction_index.entries for s in log.segments]
        found = log.aborted_transactions(0, end)
        assert found in (aborted, aborted[1:]), "the first marker may have gone; the second has just come"
        left = files(after)
        log.close(clean=False)
        log = after.open(clean=False)
        assert files(after) == left
        compact(log)
        assert newest(after.content()) == expected
    assert steps > 40


def crashing_copies(tmp_path: Path, origin: LogHouse) -> Iterator[LogHouse]:
    """Copies of a log, each compacted by a process that died at another call to the disk."""
    for last_call in range(10_000):
        root = tmp_path / f"copy{last_call}"
        shutil.copytree(origin.path, root / origin.path.name)
        disk = CrashingDisk()
        house = LogHouse(root, COMPACT, disk)
        log = house.open(clean=True)
        disk.calls_left = last_call
        try:
            compact(log)
            return
        except Crash:
            yield house
        shutil.rmtree(root)
    pytest.fail("compaction never came to an end")


def test_of_a_batch_of_very_many_records_nothing_is_kept_in_memory_but_bytes() -> None:
    payload = b"".join(record(offset, b"k", b"", 0) for offset in range(5_000))
    header = read_header(crafted(payload, 5_000, 1))
    tracemalloc.start()
    try:
        kept = kept_of(payload, header, lambda each: each.offset_delta % 2 == 1)
        moved = rebased(payload, header, lambda each: True, 0)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (kept.count, moved.count) == (2_500, 5_000)
    assert peak_bytes < 4 * len(payload)


def in_transit(house: LogHouse) -> tuple[Log, Swap]:
    """A log of which a worker is about to put in place what compaction has written."""
    log = house.open()
    keyed(log, 60, random.Random(4))
    log.flush()
    plan = some(log.begin_compaction(NOW, log.log_end_offset, force=True))
    assert plan is not None and plan.step()
    log.intend(plan)
    swap = log.begin_install(plan)
    assert swap is not None
    return log, swap


def test_what_a_worker_is_putting_in_place_is_read_already_and_old_files_are_there_until_it_has(
    house: LogHouse,
) -> None:
    log, swap = in_transit(house)
    names, before = house.names(), read_all(log)
    log.release_files()
    for _ in range(6):  # no handle is let go of while the file has another name
        for segment in log.segments:
            log.segments.opened(segment)
    assert read_all(log) == before != house.content() and house.names() == names
    swap.run()
    assert read_all(log) == before
    log.end_install(swap, NOW)
    assert read_all(log) == before == house.content() and not house.names(".cleaned")
    log.close(clean=False)
    assert read_all(house.open(clean=False)) == before


@pytest.mark.parametrize("what", ["cut", "emptied", "retired", "closed", "deleted"])
def test_what_is_on_its_way_to_its_place_is_there_before_anything_else_befalls_it(house: LogHouse, what: str) -> None:
    """By whoever comes first; the worker that comes later does nothing, for another log may lie there."""
    log, swap = in_transit(house)
    inside = swap.cleaned.base_offset + 1
    if what == "cut":
        log.truncate_to(inside)
    elif what == "emptied":
        log.truncate_fully_and_start_at(900)
    elif what == "retired":
        log.advance_log_start(list(log.segments)[1].base_offset)
        assert log.delete_segments_before(log.log_start_offset, NOW)
    elif what == "closed":
        log.close(clean=False)
    else:
        log.delete("gone")
        log = house.open()
        append(log, batch((b"k", b"of another log")))
    names, content = house.names(), house.content()
    assert not [name for name in names if name.endswith((".cleaned", ".swap"))]
    swap.run()
    assert (house.names(), house.content()) == (names, content)
    if not log.is_closed:
        log.end_install(swap, NOW)
        log.close(clean=False)
    assert some(house.open(clean=False).recovery).gap_at_offset == -1 and house.content() == content


def test_what_cannot_be_put_in_place_fails_the_log(house: LogHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    log, swap = in_transit(house)

    def refuse(self: object, path: str, to: str) -> None:
        raise OSError("no renames today")

    monkeypatch.setattr(type(house.disk), "rename", refuse)
    with pytest.raises(OSError, match="no renames today"):
        swap.run()
    with pytest.raises(OSError, match="no renames today"):
        log.end_install(swap, NOW, OSError("no renames today"))
    assert log.failed
    log.close(clean=False)
