"""Look-ups in the indexes agree with a naive scan of what was noted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek_broker.log.failures import CorruptIndex
from odradek_broker.log.offset_index import OffsetIndex, decode_last_position
from odradek_broker.log.tail import KEPT, Tail
from odradek_broker.log.time_index import TimeIndex, decode_last_entry
from odradek_broker.log.transaction_index import AbortedTransaction, TransactionIndex

BASE = 5_000_000_000

steps = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 500)), max_size=40)


def offset_index(gaps: list[tuple[int, int]]) -> tuple[OffsetIndex, list[tuple[int, int]]]:
    index, entries, offset, position = OffsetIndex(BASE), [], BASE, 0
    for offset_gap, position_gap in gaps:
        offset, position = offset + offset_gap, position + position_gap
        index.append(offset, position)
        entries.append((offset, position))
    return index, entries


@given(steps, st.integers(-10, 2_500))
def test_an_offset_is_looked_up_at_the_last_batch_that_ends_at_or_before_it(
    gaps: list[tuple[int, int]], ahead: int
) -> None:
    index, entries = offset_index(gaps)
    expected = max((position for offset, position in entries if offset <= BASE + ahead), default=0)
    assert index.look_up(BASE + ahead) == expected


@given(steps, st.integers(0, 25_000))
def test_a_position_is_looked_up_at_the_last_batch_that_begins_at_or_before_it(
    gaps: list[tuple[int, int]], position: int
) -> None:
    index, entries = offset_index(gaps)
    assert index.boundary_before(position) == max((at for _, at in entries if at <= position), default=0)


@given(steps, st.integers(0, 25_000))
def test_an_offset_index_forgets_what_is_truncated(gaps: list[tuple[int, int]], size: int) -> None:
    index, entries = offset_index(gaps)
    index.truncate_to_position(size)
    assert index.entries() == [(offset, position) for offset, position in entries if position < size]


@given(steps)
def test_an_offset_index_is_read_back_as_it_was_written(gaps: list[tuple[int, int]]) -> None:
    index, entries = offset_index(gaps)
    data = index.encode()
    assert len(data) == 8 * len(entries)
    assert OffsetIndex.decode(data, BASE, 10**6).entries() == entries
    assert decode_last_position(data[-8:]) == index.last_position()


def test_the_offset_index_is_kafkas() -> None:
    index = OffsetIndex(100)
    index.append(107, 4_200)
    index.append(300, 70_000)
    assert index.encode().hex() == "0000000700001068000000c800011170"


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 7,
        bytes.fromhex("00000007000010680000000700002000"),
        bytes.fromhex("00000007000010680000000800001068"),
        bytes.fromhex("ffffffff00001068"),
        bytes.fromhex("0000000700100000"),
    ],
    ids=["cut off", "offsets stand still", "positions stand still", "negative", "behind the end"],
)
def test_an_offset_index_that_does_not_fit_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptIndex):
        OffsetIndex.decode(data, 0, 100_000)


times = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 20)), max_size=40)


@given(times, st.integers(-5, 210))
def test_no_batch_before_the_offset_looked_up_is_as_young(batches: list[tuple[int, int]], wanted: int) -> None:
    """Noting (largest timestamp so far, its offset) at every batch, as a segment does."""
    index, offset, largest, at = TimeIndex(BASE), BASE, -1, BASE
    ends = []
    for timestamp, count in batches:
        offset += count
        if timestamp > largest:
            largest, at = timestamp, offset
        index.maybe_append(largest, at)
        ends.append((offset, timestamp))
    start = index.look_up(wanted)
    assert all(timestamp < wanted for end, timestamp in ends if end <= start and end < at)
    assert index.last_entry() == ((largest, at) if batches else (-1, BASE))
    data = index.encode()
    assert TimeIndex.decode(data, BASE).entries() == index.entries()
    assert decode_last_entry(data[-12:], BASE) == index.last_entry()
    index.truncate_to(at)
    assert all(entry_offset < at for _, entry_offset in index.entries())


def test_the_time_index_is_kafkas() -> None:
    index = TimeIndex(100)
    index.maybe_append(1_700_000_000_000, 107)
    index.maybe_append(1_700_000_000_000, 110)
    index.maybe_append(-1, 111)
    assert index.encode().hex() == "0000018bcfe5680000000007"


@pytest.mark.parametrize(
    "data", [b"\0" * 11, bytes(24), bytes.fromhex("000000000000000500000009000000000000000600000008")]
)
def test_a_time_index_that_does_not_rise_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptIndex):
        TimeIndex.decode(data, 0)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 100)), max_size=3 * KEPT), st.integers(0, 10_000))
def test_the_tail_finds_the_very_batch(batches: list[tuple[int, int]], ahead: int) -> None:
    tail, end, size, known = Tail(floor=BASE - 1), BASE, 0, []
    for count, size_bytes in batches:
        end += count
        tail.append(end - 1, size)
        known.append((end - 1, size, size + size_bytes))
        size += size_bytes
    offset = BASE + ahead % (end - BASE + 2)
    if offset > tail.floor:
        expected = next(((start, stop) for last, start, stop in known if last >= offset), None)
        assert tail.find(offset, size) == expected
    assert tail.boundary_before(size // 2) in [0, *(start for _, start, _ in known if start <= size // 2)]


def test_the_tail_has_a_bound() -> None:
    tail = Tail(floor=-1)
    for offset in range(10 * KEPT):
        tail.append(offset, offset * 100)
    assert tail.floor >= 8 * KEPT - 1
    for offset in range(tail.floor + 1, 10 * KEPT):
        assert tail.find(offset, 10 * KEPT * 100) == (offset * 100, (offset + 1) * 100)
    assert tail.find(10 * KEPT - 1, 10 * KEPT * 100) == ((10 * KEPT - 1) * 100, 10 * KEPT * 100)


ABORTED = [AbortedTransaction(1, 10, 20, 12), AbortedTransaction(2, 12, 25, 26), AbortedTransaction(3, 30, 40, 41)]


def test_the_transaction_index_is_kafkas() -> None:
    data = TransactionIndex(ABORTED[:1]).encode()
    assert data.hex() == "0000" + "".join(f"{n:016x}" for n in (1, 10, 20, 12))
    assert TransactionIndex.decode(TransactionIndex(ABORTED).encode(), 0).entries == ABORTED


@pytest.mark.parametrize("data", [b"\0" * 33, b"\0\1" + bytes(32), TransactionIndex(ABORTED[::-1]).encode()])
def test_a_transaction_index_that_does_not_fit_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptIndex):
        TransactionIndex.decode(data, 0)


def test_aborted_transactions_are_those_that_touch_the_range() -> None:
    for start in range(45):
        for end in range(start + 1, 46):
            found, _ = TransactionIndex(ABORTED).collect(start, end)
            assert found == [a for a in ABORTED if a.last_offset >= start and a.first_offset < end]
    assert TransactionIndex(ABORTED).collect(0, 26) == (ABORTED[:2], True)
    assert TransactionIndex(ABORTED).collect(0, 42)[1] is False
