"""Idempotence and transactions, as a leader enforces them and a log remembers them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.records.batch import MAX_SEQUENCE
from odradek_broker.log import idempotence, producer_snapshot
from odradek_broker.log.appendable import Appended
from odradek_broker.log.config import LogConfig
from odradek_broker.log.failures import CorruptCheckpoint
from odradek_broker.log.log import Log
from odradek_broker.log.producer_state import Producer, ProducerStates, next_sequence, rewind_sequence
from odradek_broker.log.transaction_index import AbortedTransaction
from odradek_broker.log.validation import Origin
from odradek_broker.ports.disk import RealFile
from tests.log.log_batches import TRANSACTIONAL, batch, headers, marker, records
from tests.log.log_fixtures import NOW, LogHouse, append, read_all, refuse, some


@pytest.fixture
def house(tmp_path: Path) -> LogHouse:
    return LogHouse(tmp_path)


def numbered(sequence: int, count: int = 1, epoch: int = 0, producer_id: int = 9, **more: Any) -> bytes:
    return batch(*[b"v%d" % (sequence + i) for i in range(count)], producer=(producer_id, epoch, sequence), **more)


def test_a_retry_of_one_of_the_last_five_batches_answers_its_first_offset(house: LogHouse) -> None:
    log = house.open()
    offsets = [append(log, numbered(i * 2, 2)).base_offset for i in range(8)]
    content = house.content()
    for i in range(3, 8):
        again = append(log, numbered(i * 2, 2))
        assert (again.base_offset, again.last_offset, again.duplicate) == (offsets[i], offsets[i] + 1, True)
    assert refuse(log, numbered(4, 2)).error is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refuse(log, numbered(14, 1)).error is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert house.content() == content


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("payload", [b"", b"x" * 200])
def test_a_retry_is_known_for_one_of_the_last_five_also_after_a_restart(
    house: LogHouse, clean: bool, payload: bytes
) -> None:
    """A snapshot tells of the last batch only: the others are looked up in the log."""
    log = house.open()
    offsets = []
    for i in range(9):
        offsets.append(append(log, numbered(i)).base_offset)
        append(log, batch(payload))
    log.close(clean=clean)
    log = house.open(clean=clean)
    end = log.log_end_offset
    for i in (4, 8, 5, 7, 6):
        again = append(log, numbered(i))
        assert again.duplicate and again.base_offset == offsets[i]
    assert refuse(log, numbered(3)).error is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.log_end_offset == end
    assert append(log, numbered(9)).base_offset == end


def test_what_is_looked_up_is_the_producers_own(house: LogHouse) -> None:
    """Another's batches have the same numbers."""
    log = house.open()
    for sequence in range(3):
        append(log, numbered(sequence, producer_id=8))
    first = append(log, numbered(5)).base_offset
    append(log, numbered(6))
    log.close(clean=True)
    log = house.open()
    for sequence in (0, 2, 4, 8):
        assert refuse(log, numbered(sequence)).error is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert append(log, numbered(5)).base_offset == first


def test_the_log_is_looked_through_once_and_only_for_who_is_known_from_a_snapshot(
    house: LogHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = house.open()
    append(log, numbered(0))
    append(log, numbered(1))
    append(log, numbered(0, producer_id=8))
    read, real = [], RealFile.read
    monkeypatch.setattr(RealFile, "read", lambda s, at, n: read.append(at) or real(s, at, n))
    assert refuse(log, numbered(7)).error is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert not read, "all of its batches are known"
    log.close(clean=True)
    log = house.open()
    assert refuse(log, numbered(7)).error is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    append(log, numbered(0, producer_id=8, epoch=1))
    read.clear()
    assert refuse(log, numbered(7)).error is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert append(log, numbered(0)).duplicate
    assert refuse(log, numbered(7, producer_id=8, epoch=1)).error is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert not read, "one was looked up before, the other has begun a new epoch"


def test_a_retry_is_not_looked_for_in_all_of_a_long_log(house: LogHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotence, "LOOK_BACK_BYTES", 3_000)
    log = house.open()
    append(log, numbered(0))
    while len(log.segments) < 6:
        append(log, batch(b"x" * 200))
    append(log, numbered(1))
    append(log, numbered(2))
    log.close(clean=True)
    log = house.open()
    assert refuse(log, numbered(0)).error is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert append(log, numbered(1)).duplicate


def test_a_follower_that_becomes_leader_knows_the_retries(tmp_path: Path) -> None:
    leader, follower = LogHouse(tmp_path / "a").open(), LogHouse(tmp_path / "b", LogConfig()).open()
    for i in range(7):
        append(leader, numbered(i))
    follower.append_as_follower(memoryview(read_all(leader)), now_ms=NOW)
    assert append(follower, numbered(2)).duplicate
    assert append(follower, numbered(7)).base_offset == 7


@pytest.mark.parametrize(
    ("sequence", "epoch", "error"),
    [
        (5, 0, None),
        (6, 0, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER),
        (3, 0, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER),
        (0, 1, None),
        (5, 1, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER),
        (5, -2, ErrorCode.INVALID_RECORD),
    ],
)
def test_the_next_sequence_number_follows_on_and_a_new_epoch_begins_at_zero(
    house: LogHouse, sequence: int, epoch: int, error: ErrorCode | None
) -> None:
    log = house.open()
    append(log, numbered(0, 5))
    if error is None:
        assert append(log, numbered(sequence, epoch=epoch)).base_offset == 5
    else:
        assert refuse(log, numbered(sequence, epoch=epoch)).error is error


def test_an_old_epoch_is_fenced(house: LogHouse) -> None:
    log = house.open()
    append(log, numbered(0, epoch=3))
    assert refuse(log, numbered(0, epoch=2)).error is ErrorCode.INVALID_PRODUCER_EPOCH
    assert refuse(log, numbered(1, epoch=2)).error is ErrorCode.INVALID_PRODUCER_EPOCH


def test_an_unknown_producer_may_begin_anywhere(house: LogHouse) -> None:
    log = house.open()
    assert append(log, numbered(77)).base_offset == 0
    assert append(log, numbered(78)).base_offset == 1


def test_sequence_numbers_wrap_to_zero(house: LogHouse) -> None:
    log = house.open()
    append(log, numbered(MAX_SEQUENCE - 1, 2))
    assert append(log, numbered(0, 3)).base_offset == 2
    assert append(log, numbered(0, 3)).duplicate
    log.truncate_to(0)
    append(log, numbered(MAX_SEQUENCE, 3))
    assert append(log, numbered(MAX_SEQUENCE, 3)).duplicate
    log.close(clean=True)
    log = house.open()
    assert append(log, numbered(MAX_SEQUENCE, 3)).duplicate
    assert append(log, numbered(2)).base_offset == 3
    assert [next_sequence(sequence) for sequence in (-1, 5, MAX_SEQUENCE)] == [0, 6, 0]
    assert [rewind_sequence(sequence, 2) for sequence in (5, 1)] == [3, MAX_SEQUENCE]


def test_truncation_takes_producers_back_to_where_they_were(house: LogHouse) -> None:
    log = house.open()
    for i in range(20):
        append(log, numbered(i))
        append(log, batch(b"x" * 100))
    log.truncate_to(20)
    assert append(log, numbered(9)).duplicate and append(log, numbered(7)).duplicate
    assert append(log, numbered(10)).base_offset == 20


def test_truncation_to_behind_a_snapshot_keeps_who_has_written_since(house: LogHouse) -> None:
    log = house.open()
    append(log, numbered(0))
    log.close(clean=True)
    log = house.open()
    append(log, numbered(0, producer_id=7))
    append(log, numbered(1))
    append(log, numbered(0, producer_id=8))
    log.truncate_to(3)
    assert append(log, numbered(0, producer_id=7)).duplicate and append(log, numbered(1)).duplicate
    assert append(log, numbered(0, producer_id=8)).base_offset == 3


def test_a_producer_is_forgotten_by_when_it_was_heard_not_by_its_timestamps(house: LogHouse) -> None:
    log = house.open()
    append(log, numbered(0, timestamp=5), now_ms=NOW)
    day = log.config.producer_id_expiration_ms
    assert log.remove_expired_producers(NOW + day - 1) == 0
    assert append(log, numbered(0), now_ms=NOW + day - 1).duplicate
    assert log.remove_expired_producers(NOW + day) == 1
    assert append(log, numbered(40)).base_offset == 1


def test_a_producer_counts_as_heard_when_the_log_is_opened(house: LogHouse) -> None:
    log = house.open()
    append(log, numbered(0))
    log.close(clean=True)
    later, day = 10 * NOW, log.config.producer_id_expiration_ms
    log = house.open(now_ms=later)
    assert [log.remove_expired_producers(later + ms) for ms in (day - 1, day)] == [0, 1]


def test_where_all_records_were_deleted_the_producers_are_known_still(house: LogHouse) -> None:
    log = house.open()
    append(log, numbered(0))
    append(log, numbered(1))
    for clean in (True, False):
        log.close(clean=clean)
        log = house.open(clean=clean, log_start_offset=2)
        assert (log.log_start_offset, log.log_end_offset) == (2, 2)
        assert append(log, numbered(1)).duplicate


def test_a_producer_is_not_forgotten_within_a_transaction_though_it_began_with_the_log(house: LogHouse) -> None:
    log = house.open()
    append(log, transactional(1, 0))
    assert log.remove_expired_producers(NOW + 2 * log.config.producer_id_expiration_ms) == 0
    end(log, 1, commit=True)
    assert log.remove_expired_producers(NOW + 2 * log.config.producer_id_expiration_ms) == 1


def test_the_snapshot_is_kafkas_and_a_damaged_one_is_refused(house: LogHouse) -> None:
    log = house.open()
    append(log, numbered(3, 2, epoch=1, attributes=TRANSACTIONAL, timestamp=77))
    data = producer_snapshot.encode(log.producers.as_of_now())
    assert (
        data.hex()
        == "0001"
        + data[2:6].hex()
        + "00000001"
        + "".join(f"{value:0{2 * size}x}" for value, size in ((9, 8), (1, 2), (4, 4), (1, 8), (1, 4), (77, 8)))
        + "ffffffff"
        + f"{0:016x}"
    )
    [producer] = producer_snapshot.decode(data, NOW)
    assert (producer.epoch, producer.last_sequence, producer.last_offset, producer.transaction_first_offset) == (
        1,
        4,
        1,
        0,
    )
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x40
        with pytest.raises(CorruptCheckpoint):
            producer_snapshot.decode(bytes(damaged), NOW)
    for length in range(len(data)):
        with pytest.raises(CorruptCheckpoint):
            producer_snapshot.decode(data[:length], NOW)


def transactional(producer_id: int, sequence: int, epoch: int = 0) -> bytes:
    return numbered(sequence, epoch=epoch, producer_id=producer_id, attributes=TRANSACTIONAL)


def end(log: Log, producer_id: int, *, commit: bool, epoch: int = 0, coordinator_epoch: int = 0) -> Appended:
    data = marker(producer_id, epoch, commit=commit, coordinator_epoch=coordinator_epoch)
    return append(log, data, origin=Origin.COORDINATOR)


def test_the_last_stable_offset_waits_for_the_oldest_open_transaction(house: LogHouse) -> None:
    log = house.open()
    append(log, batch(b"plain"))
    append(log, transactional(1, 0))
    append(log, transactional(2, 0))
    append(log, transactional(1, 1))
    assert log.last_stable_offset(4) == 1 and log.last_stable_offset(1) == 1 and log.last_stable_offset(0) == 0
    end(log, 1, commit=True)
    assert log.last_stable_offset(4) == 1, "its marker is not yet below the high watermark"
    assert log.last_stable_offset(5) == 2
    end(log, 2, commit=False)
    assert log.last_stable_offset(5) == 2, "nothing is open, but the last marker is not below the high watermark"
    assert log.last_stable_offset(6) == 6


def test_the_last_stable_offset_is_that_of_the_first_transaction_though_one_behind_it_has_ended(
    house: LogHouse,
) -> None:
    log = house.open()
    append(log, transactional(1, 0))
    append(log, transactional(2, 0))
    end(log, 2, commit=True)
    assert [log.last_stable_offset(watermark) for watermark in (2, 3)] == [0, 0]


def test_aborted_transactions_are_told_with_where_they_began_and_ended(house: LogHouse) -> None:
    log = house.open()
    append(log, transactional(1, 0))
    append(log, transactional(2, 0))
    end(log, 2, commit=False)
    append(log, transactional(3, 0))
    end(log, 3, commit=True)
    end(log, 1, commit=False)
    expected = [AbortedTransaction(2, 1, 2, 0), AbortedTransaction(1, 0, 5, 6)]
    for clean in (None, True, False):
        if clean is not None:
            log.close(clean=clean)
            log = house.open(clean=clean)
        assert log.aborted_transactions(0, 6) == expected
        assert log.aborted_transactions(3, 6) == expected[1:]
        assert log.aborted_transactions(0, 1) == expected[1:]
        assert log.producers.open_transactions() == []


def test_who_reads_a_part_is_told_of_the_transactions_in_that_part(house: LogHouse) -> None:
    """And not of the thousands that may have been aborted behind it."""
    log = house.open()
    for sequence in range(60):
        append(log, transactional(1, sequence))
        end(log, 1, commit=False)
    assert len(log.segments) > 1
    for offset in range(0, 120, 3):
        for max_bytes in (1, 200, 700, 100_000):
            found = log.read(offset, max_bytes, max_offset=120)
            read = headers(some(found).read())
            first, behind = read[0].base_offset, read[-1].base_offset + 1
            told = log.aborted_in(offset, some(found), 120)
            assert [entry.first_offset for entry in told] == list(range(first - first % 2, behind, 2))


def test_aborted_transactions_agree_with_a_naive_reading(tmp_path: Path) -> None:
    for seed in range(10):
        rng = random.Random(seed)
        log = LogHouse(tmp_path / str(seed)).open()
        sequences, opened, expected = dict.fromkeys(range(4), 0), dict[int, int](), []
        for _ in range(150):
            producer_id = rng.randrange(4)
            if producer_id in opened and rng.random() < 0.3:
                commit = rng.random() < 0.5
                at = end(log, producer_id, commit=commit).base_offset
                first = opened.pop(producer_id)
                if not commit:
                    expected.append((producer_id, first, at))
            else:
                at = append(log, transactional(producer_id, sequences[producer_id])).base_offset
                sequences[producer_id] += 1
                opened.setdefault(producer_id, at)
            assert log.last_stable_offset(log.log_end_offset) == min(opened.values(), default=log.log_end_offset)
        for _ in range(100):
            start = rng.randrange(log.log_end_offset)
            stop = rng.randint(start + 1, log.log_end_offset)
            stop = min(stop, log.last_stable_offset(log.log_end_offset))
            found = [(a.producer_id, a.first_offset, a.last_offset) for a in log.aborted_transactions(start, stop)]
            assert found == [entry for entry in expected if entry[2] >= start and entry[1] < stop]


def test_a_plain_write_inside_an_open_transaction_is_refused(house: LogHouse) -> None:
    log = house.open()
    append(log, transactional(1, 0))
    assert refuse(log, numbered(1, producer_id=1)).error is ErrorCode.INVALID_TXN_STATE
    end(log, 1, commit=True)
    append(log, numbered(1, producer_id=1))


def test_a_marker_of_a_newer_epoch_begins_sequences_anew(house: LogHouse) -> None:
    """Since KIP-890 each transaction ends with a new epoch, which the marker carries."""
    log = house.open()
    append(log, transactional(1, 0))
    end(log, 1, commit=True, epoch=1)
    assert refuse(log, transactional(1, 1, epoch=0)).error is ErrorCode.INVALID_PRODUCER_EPOCH
    assert refuse(log, transactional(1, 1, epoch=1)).error is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert append(log, transactional(1, 0, epoch=1)).base_offset == 2


def test_markers_of_old_epochs_are_fenced(house: LogHouse) -> None:
    log = house.open()
    append(log, transactional(1, 0, epoch=5))
    end(log, 1, commit=True, epoch=5, coordinator_epoch=3)
    old_producer = marker(1, 4, commit=True, coordinator_epoch=3)
    assert refuse(log, old_producer, origin=Origin.COORDINATOR).error is ErrorCode.INVALID_PRODUCER_EPOCH
    old_coordinator = marker(1, 5, commit=True, coordinator_epoch=2)
    assert refuse(log, old_coordinator, origin=Origin.COORDINATOR).error is ErrorCode.TRANSACTION_COORDINATOR_FENCED


@pytest.mark.parametrize("sequence", [0, -1])
def test_a_coordinator_writes_in_a_producers_name_without_numbering(house: LogHouse, sequence: int) -> None:
    """Offsets that are committed in a transaction come from the coordinator, each time with the same number."""
    log = house.open()
    offsets = batch(b"offset", producer=(1, 4, sequence), attributes=TRANSACTIONAL)
    for _ in range(3):
        assert not append(log, offsets + offsets, origin=Origin.COORDINATOR).duplicate
    assert log.last_stable_offset(6) == 0
    old = batch(b"offset", producer=(1, 3, sequence), attributes=TRANSACTIONAL)
    assert refuse(log, old, origin=Origin.COORDINATOR).error is ErrorCode.INVALID_PRODUCER_EPOCH
    log.close(clean=True)
    log = house.open()
    end(log, 1, commit=False, epoch=4)
    assert log.aborted_transactions(0, 7) == [AbortedTransaction(1, 0, 6, 7)]


def test_after_a_restart_the_last_stable_offset_is_still_that_of_the_oldest_transaction(house: LogHouse) -> None:
    """Though its producer was heard of later."""
    log = house.open()
    append(log, numbered(0, producer_id=1))
    append(log, transactional(2, 0))
    append(log, transactional(1, 1))
    log.close(clean=True)
    log = house.open()
    assert log.last_stable_offset(3) == 1
    assert [tuple(each) for each in log.producers.open_transactions()] == [(2, 1), (1, 2)]


def test_an_open_transaction_survives_a_restart(house: LogHouse) -> None:
    log = house.open()
    append(log, batch(b"x"))
    append(log, transactional(1, 0))
    for clean in (True, False, True):
        log.close(clean=clean)
        log = house.open(clean=clean)
        assert [tuple(t) for t in log.producers.open_transactions()] == [(1, 1)]
        assert log.last_stable_offset(log.log_end_offset) == 1
    end(log, 1, commit=False)
    assert len(records(read_all(log))) == len(headers(read_all(log))) == 3


def everything_known(states: ProducerStates) -> list[Any]:
    return [
        [getattr(producer, name) for name in Producer.__slots__ if name != "batches"] + [list(producer.batches)]
        for _, producer in sorted(states.producers.items())
    ] + [states._open, states._completed]


@pytest.mark.parametrize("seed", range(8))
def test_what_a_worker_finds_of_producers_before_a_cut_is_what_the_cut_would_find(house: LogHouse, seed: int) -> None:
    """Wherever it is cut: behind snapshots in the midst of a segment, and with indexes that are not on disk yet."""
    chance = random.Random(seed)
    log, numbers = house.open(), dict.fromkeys(range(5), 0)
    for _ in range(120):
        producer_id = chance.randrange(5)
        append(log, numbered(numbers[producer_id], producer_id=producer_id))
        numbers[producer_id] += 1
        if chance.random() < 0.03:
            log.close(clean=True)
            log = house.open()
    for offset in range(log.log_end_offset, 0, -1):
        end = log.end_if_cut_at(offset)
        ahead = log.look_for_producers_at(end)()
        found = log._producer_replay().producers_at(end, list(log.segments), log._snapshots)
        assert ahead is not None and everything_known(ahead.states) == everything_known(found)
        if chance.random() < 0.2 and offset < log.log_end_offset:
            log.truncate_to(offset, ahead)
            assert log.producers is ahead.states


def test_what_was_found_of_producers_before_another_cut_counts_for_nothing(house: LogHouse) -> None:
    log = house.open()
    for i in range(6):
        append(log, numbered(i))
    ahead = log.look_for_producers_at(4)()
    log.truncate_to(2)
    append(log, numbered(0, epoch=1))
    append(log, numbered(1, epoch=1))
    append(log, numbered(2, epoch=1))
    log.truncate_to(4, ahead)
    assert append(log, numbered(1, epoch=1)).duplicate


def test_a_cut_elsewhere_than_where_producers_were_looked_for_looks_itself(house: LogHouse) -> None:
    log = house.open()
    for i in range(6):
        append(log, numbered(i))
    log.truncate_to(3, log.look_for_producers_at(5)())
    assert append(log, numbered(3)).base_offset == 3
